import { MetricType, WasmResult } from "./abi.ts";

interface Metric {
  type: number;
  name: string;
  value: bigint;
  /** Recorded values of a histogram. */
  samples: bigint[];
}

/** Counters, gauges and histograms that the filter defines, by Envoy's rules. */
export class Metrics {
  private readonly byId = new Map<number, Metric>();
  private readonly byName = new Map<string, Metric>();

  /** The id of a new handle, or undefined for an unknown type. One name is one metric. */
  define(type: number, name: string): number | undefined {
    if (type > MetricType.Histogram) return undefined;
    const metric = this.byName.get(name) ?? { type, name, value: 0n, samples: [] };
    this.byName.set(name, metric);
    const id = ((this.byId.size + 1) << 2) | type;
    this.byId.set(id, metric);
    return id;
  }

  increment(id: number, offset: bigint): number {
    const metric = this.byId.get(id);
    if (metric === undefined) return WasmResult.NotFound;
    if (metric.type === MetricType.Histogram) return WasmResult.BadArgument;
    if (metric.type === MetricType.Counter && offset <= 0n) return WasmResult.BadArgument;
    metric.value += offset;
    return WasmResult.Ok;
  }

  /** Adds to a counter, sets a gauge, samples a histogram. */
  record(id: number, value: bigint): number {
    const metric = this.byId.get(id);
    if (metric === undefined) return WasmResult.NotFound;
    if (metric.type === MetricType.Counter) metric.value += value;
    else if (metric.type === MetricType.Gauge) metric.value = value;
    else metric.samples.push(value);
    return WasmResult.Ok;
  }

  read(id: number): bigint | undefined {
    const metric = this.byId.get(id);
    return metric === undefined || metric.type === MetricType.Histogram ? undefined : metric.value;
  }

  /** A counter's or gauge's value by name; undefined where none is defined. */
  value(name: string): number | undefined {
    const metric = this.byName.get(name);
    return metric === undefined ? undefined : Number(metric.value);
  }
}
