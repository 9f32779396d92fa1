import { Ascii } from "./scan/ascii";
import { JsonNode } from "./scan/json-tree";

/**
 * Is this the FilterConfig of the contract? One that is not must not take the place of one that
 * is: a list that cannot be read would meter nothing.
 */
export function isFilterConfig(root: JsonNode): bool {
  const mode = root.str("failureMode", "");
  return (
    isString(root.get("version")) &&
    (mode == "allow" || mode == "deny") &&
    isBool(root.get("sniff")) &&
    areRoutes(root.get("apis")) &&
    areAttributes(root.get("attributes")) &&
    areLists(root.get("request"), REQUEST_LISTS) &&
    areLists(root.get("response"), RESPONSE_LISTS) &&
    areTexts(root.get("errors"))
  );
}

const PROPERTY_TYPES = ["string", "int", "bool", "timestamp"];
const REQUEST_LISTS = ["model", "stream", "maxOutputTokens", "choices", "prompt", "body"];
const RESPONSE_LISTS = ["usage", "facts", "text", "base64", "headers"];

function isString(node: JsonNode | null): bool {
  return node !== null && node.type == Ascii.Quote;
}

function isBool(node: JsonNode | null): bool {
  return node !== null && (node.type == Ascii.LowerT || node.type == Ascii.LowerF);
}

function isList(node: JsonNode | null): bool {
  return node !== null && node.type == Ascii.OpenBracket;
}

function areStrings(node: JsonNode | null): bool {
  if (!isList(node)) return false;
  const items = (node as JsonNode).items;
  for (let i = 0; i < items.length; i++) {
    if (!isString(items[i])) return false;
  }
  return true;
}

function areLists(node: JsonNode | null, names: string[]): bool {
  if (node === null) return false;
  for (let i = 0; i < names.length; i++) {
    if (!areStrings(node.get(names[i]))) return false;
  }
  return true;
}

function areTexts(node: JsonNode | null): bool {
  if (node === null || node.type != Ascii.OpenBrace) return false;
  for (let i = 0; i < node.items.length; i++) {
    if (!isString(node.items[i])) return false;
  }
  return true;
}

function areRoutes(node: JsonNode | null): bool {
  if (!isList(node)) return false;
  const items = (node as JsonNode).items;
  for (let i = 0; i < items.length; i++) {
    const route = items[i];
    const method = route.get("method");
    const stream = route.get("stream");
    const isRoute =
      isString(route.get("api")) &&
      route.str("path", "").startsWith("/") &&
      isString(route.get("errorShape")) &&
      isBool(route.get("includeUsage")) &&
      (method === null || isString(method)) &&
      (stream === null || isBool(stream));
    if (!isRoute) return false;
  }
  return true;
}

function areAttributes(node: JsonNode | null): bool {
  if (node === null || !areStrings(node.get("headers"))) return false;
  const properties = node.get("properties");
  const metadata = node.get("metadata");
  if (!isList(properties) || !isList(metadata)) return false;
  const wanted = (properties as JsonNode).items;
  for (let i = 0; i < wanted.length; i++) {
    const type = wanted[i].str("type", "");
    if (!isString(wanted[i].get("name")) || !PROPERTY_TYPES.includes(type)) return false;
  }
  const paths = (metadata as JsonNode).items;
  for (let i = 0; i < paths.length; i++) {
    if (!areStrings(paths[i]) || paths[i].items.length == 0) return false;
  }
  return true;
}
