import { Text, utf8 } from "./abi/text";
import { Ascii } from "./scan/ascii";
import { JsonNode } from "./scan/json-tree";

/**
 * Is this the FilterConfig of the contract? One that is not must not take the place of one that
 * is: a list that cannot be read would meter nothing.
 */
export function isFilterConfig(root: JsonNode): bool {
  return (
    isString(root.get(utf8("version"))) &&
    isOneOf(root.get(utf8("failureMode")), MODES) &&
    isBool(root.get(utf8("sniff"))) &&
    areRoutes(root.get(utf8("apis"))) &&
    areAttributes(root.get(utf8("attributes"))) &&
    areLists(root.get(utf8("request")), REQUEST_LISTS) &&
    areLists(root.get(utf8("response")), RESPONSE_LISTS) &&
    areTexts(root.get(utf8("errors")))
  );
}

const MODES: Text[] = [utf8("allow"), utf8("deny")];
const PROPERTY_TYPES: Text[] = [utf8("string"), utf8("int"), utf8("bool"), utf8("timestamp")];
const REQUEST_LISTS: Text[] = [
  utf8("model"),
  utf8("stream"),
  utf8("maxOutputTokens"),
  utf8("choices"),
  utf8("prompt"),
  utf8("body"),
];
const RESPONSE_LISTS: Text[] = [
  utf8("usage"),
  utf8("facts"),
  utf8("text"),
  utf8("base64"),
  utf8("headers"),
];

function isString(node: JsonNode | null): bool {
  return node !== null && node.type == Ascii.Quote;
}

function isPath(node: JsonNode | null): bool {
  return node !== null && node.type == Ascii.Quote && node.text.charCodeAt(0) == Ascii.Slash;
}

function isOneOf(node: JsonNode | null, texts: Text[]): bool {
  for (let i = 0; node !== null && i < texts.length; i++) {
    if (node.is(texts[i])) return true;
  }
  return false;
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

function areLists(node: JsonNode | null, names: Text[]): bool {
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
    const method = route.get(utf8("method"));
    const stream = route.get(utf8("stream"));
    const except = route.get(utf8("includeUsageExcept"));
    const pointer = route.get(utf8("maxOutputPointer"));
    const limits = route.get(utf8("outputLimits"));
    const isRoute =
      isString(route.get(utf8("api"))) &&
      isPath(route.get(utf8("path"))) &&
      isString(route.get(utf8("errorShape"))) &&
      isBool(route.get(utf8("includeUsage"))) &&
      (method === null || isString(method)) &&
      (except === null || areStrings(except)) &&
      (pointer === null || isString(pointer)) &&
      (limits === null || limits.integer(-1) >= 0) &&
      (stream === null || isBool(stream));
    if (!isRoute) return false;
  }
  return true;
}

function areAttributes(node: JsonNode | null): bool {
  if (node === null || !areStrings(node.get(utf8("headers")))) return false;
  const properties = node.get(utf8("properties"));
  const metadata = node.get(utf8("metadata"));
  if (!isList(properties) || !isList(metadata)) return false;
  const wanted = (properties as JsonNode).items;
  for (let i = 0; i < wanted.length; i++) {
    const type = wanted[i].get(utf8("type"));
    if (!isString(wanted[i].get(utf8("name"))) || !isOneOf(type, PROPERTY_TYPES)) return false;
  }
  const paths = (metadata as JsonNode).items;
  for (let i = 0; i < paths.length; i++) {
    if (!areStrings(paths[i]) || paths[i].items.length == 0) return false;
  }
  return true;
}
