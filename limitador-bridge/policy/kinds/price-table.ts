/** PriceTable (tollgate.dev/v1alpha1): recognised here, read by the pricing loader. */

import Type from "typebox";
import { PriceTableSchema } from "../../pricing/price-table-schema.ts";
import { checkSchema } from "../schema-check.ts";
import type { SourceDocument } from "../source-document.ts";
import type { PolicyKind } from "./kind.ts";
import { Metadata } from "./object-schema.ts";

/** The pricing loader asks nothing of names. */
const Named = Type.Object({ metadata: Metadata });

export const priceTableKind: PolicyKind<SourceDocument> = {
  apiVersion: "tollgate.dev/v1alpha1",
  kind: "PriceTable",
  schema: PriceTableSchema,
  check: (document) => checkSchema(document, Named),
  load: (document) => ({ object: document, problems: [] }),
};
