/** What the host knows by a number: a root or a stream. */
export abstract class Context {}
