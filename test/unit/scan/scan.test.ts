/** One file, so that the scanners are compiled once. */

import { describeEventStream } from "./event-stream-cases.ts";
import { describeFuzz } from "./fuzz-cases.ts";
import { describeJson } from "./json-cases.ts";
import { describePointers } from "./pointer-cases.ts";
import { ScanModule } from "./scan-module.ts";
import { describeSplits } from "./split-cases.ts";
import { describeSse } from "./sse-cases.ts";
import { describeTree } from "./tree-cases.ts";
import { describeValues } from "./value-cases.ts";
import { describeWriter } from "./writer-cases.ts";

const scan = await ScanModule.load();

describePointers(scan);
describeJson(scan);
describeValues(scan);
describeSplits(scan);
describeSse(scan);
describeEventStream(scan);
describeTree(scan);
describeWriter(scan);
describeFuzz(scan);
