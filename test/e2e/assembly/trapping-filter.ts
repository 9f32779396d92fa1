/** The filter, with one more way to fail: a request with the header x-trap traps. Test only. */
import { HeaderMap, handedPtr, header } from "../../../plugin/abi/host";
import { release } from "../../../plugin/abi/memory";
import { utf8 } from "../../../plugin/abi/text";
import * as filter from "../../../plugin/index";

export {
  malloc,
  proxy_abi_version_0_2_1,
  proxy_on_configure,
  proxy_on_context_create,
  proxy_on_done,
  proxy_on_http_call_response,
  proxy_on_log,
  proxy_on_request_body,
  proxy_on_request_trailers,
  proxy_on_response_body,
  proxy_on_response_headers,
  proxy_on_response_trailers,
  proxy_on_tick,
  proxy_on_vm_start,
} from "../../../plugin/index";

const TRAP = utf8("x-trap");

export function proxy_on_request_headers(context: u32, count: i32, endOfStream: u32): i32 {
  if (header(HeaderMap.Request, TRAP)) {
    release(handedPtr);
    unreachable();
  }
  return filter.proxy_on_request_headers(context, count, endOfStream);
}
