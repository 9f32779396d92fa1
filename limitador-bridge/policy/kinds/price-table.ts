/** PriceTable (tollgate.dev/v1alpha1): recognised here, read by the pricing loader. */
import { PriceTableSchema } from "../../pricing/price-table-schema.ts";
import type { SourceDocument } from "../source-document.ts";
import type { PolicyKind } from "./kind.ts";

export const priceTableKind: PolicyKind<SourceDocument> = {
  apiVersion: "tollgate.dev/v1alpha1",
  kind: "PriceTable",
  schema: PriceTableSchema,
  load: (document) => ({ object: document, problems: [] }),
};
