// Lines, of which only those in sight are on the page. Rows have one height, or, when lines wrap, each its own, measured as they come
// into sight. Up, down, j, k and the pages move; one row is chosen.
import { Component, type JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Row } from "../lines/row";
import { LineText, SHOWN } from "../lines/text";
import { clockTime, dayAndClock, utc } from "../time/format";

export const ROW = 21;
const BEYOND = 12;

export interface LogListProps {
  rows: Row[];
  chosen: number;
  choose: (index: number) => void;
  open: (index: number) => void;
  wrap: boolean;
  mark: RegExp | null;
  // The stream label shown beside the line; "" for none.
  source: string;
  // The last row is near.
  nearEnd: () => void;
  label: string;
}

// A label worth a column: the first of these that differs among the rows.
const SOURCES = ["app", "service_name", "service", "container", "pod", "job", "host", "filename", "unit"];

export function sourceLabel(rows: Row[]): string {
  for (const name of SOURCES) {
    const first = rows.find((row) => row.labels[name])?.labels[name];
    if (first !== undefined && rows.some((row) => row.labels[name] !== undefined && row.labels[name] !== first)) return name;
  }
  return "";
}

class Heights {
  private known = new Map<number, number>();
  columns = 120;

  of(row: Row): number {
    const known = this.known.get(row.id);
    if (known !== undefined) return known;
    return Math.max(1, Math.ceil(Math.min(row.line.length, 2000) / this.columns)) * 18 + 3;
  }

  measured(id: number, height: number): boolean {
    if (Math.abs((this.known.get(id) ?? -1) - height) < 0.5) return false;
    this.known.set(id, height);
    return true;
  }

  clear(): void {
    this.known.clear();
  }
}

interface ListRowProps {
  row: Row;
  index: number;
  count: number;
  chosen: boolean;
  time: string;
  source: string;
  mark: RegExp | null;
  most: number;
}

// A row on the page, which is made again only when something of it is another.
class ListRow extends Component<ListRowProps> {
  override shouldComponentUpdate(next: ListRowProps): boolean {
    return (Object.keys(next) as (keyof ListRowProps)[]).some((key) => next[key] !== this.props[key]);
  }

  override render(): JSX.Element {
    const { row, index, source } = this.props;
    return (
      <div id={`row-${row.id}`} data-index={index} class="log-row" data-level={row.level} role="option" aria-selected={this.props.chosen}
        aria-posinset={index + 1} aria-setsize={this.props.count}>
        <span class="bar" title={row.level} />
        <time>{this.props.time}</time>
        {source && <span class="source" title={row.labels[source]}><bdi>{row.labels[source] ?? ""}</bdi></span>}
        <LineText line={row.line} mark={this.props.mark} most={this.props.most} />
      </div>
    );
  }
}

export function LogList(props: LogListProps): JSX.Element {
  const { rows, wrap } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const heights = useRef(new Heights());
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const [version, setVersion] = useState(0);

  useEffect(() => {
    const box = scroller.current!;
    let width = 0;
    const observer = new ResizeObserver(() => {
      setHeight(box.clientHeight);
      if (width !== box.clientWidth) {
        width = box.clientWidth;
        heights.current.columns = Math.max(20, Math.floor((width - 200) / 7.3));
        heights.current.clear();
        setVersion((v) => v + 1);
      }
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, []);

  const offsets = useMemo(() => {
    if (!wrap) return null;
    const sums = new Float64Array(rows.length + 1);
    rows.forEach((row, i) => (sums[i + 1] = sums[i]! + heights.current.of(row)));
    return sums;
  }, [rows, wrap, version]);
  const offset = (i: number): number => (offsets ? offsets[i]! : i * ROW);
  const total = offset(rows.length);
  const indexAt = (y: number): number => {
    if (!offsets) return Math.floor(y / ROW);
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (offsets[middle + 1]! <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const first = Math.max(0, indexAt(top) - BEYOND);
  const last = Math.min(rows.length, indexAt(top + height) + 1 + BEYOND);

  useLayoutEffect(() => {
    if (!wrap) return;
    let changed = false;
    for (const node of body.current!.children as unknown as HTMLElement[]) {
      const row = rows[Number(node.dataset["index"])];
      if (row && heights.current.measured(row.id, node.offsetHeight)) changed = true;
    }
    if (changed) setVersion((v) => v + 1);
  });

  // The chosen row stays in sight.
  useEffect(() => {
    const box = scroller.current!;
    if (props.chosen < 0 || props.chosen >= rows.length) return;
    const [a, b] = [offset(props.chosen), offset(props.chosen + 1)];
    if (a < box.scrollTop) box.scrollTop = a;
    else if (b > box.scrollTop + box.clientHeight) box.scrollTop = b - box.clientHeight;
  }, [props.chosen]);

  // Without wrapping, what lies beyond the right edge need not be made.
  const inSight = Math.ceil(((scroller.current?.clientWidth ?? 1200) / 7) * 1.1);
  const long = rows.length > 1 && Math.abs(rows[0]!.ms - rows[rows.length - 1]!.ms) > 20 * 3600e3;
  const time = long ? dayAndClock : clockTime;
  void utc.value;

  const onKeyDown = (e: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor(height / ROW) - 1);
    const move: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const by = move[e.key];
    if (by !== undefined && !e.ctrlKey && !e.metaKey) {
      e.preventDefault();
      props.choose(Math.min(rows.length - 1, Math.max(0, props.chosen < 0 ? 0 : props.chosen + by)));
    } else if ((e.key === "Enter" || e.key === " ") && props.chosen >= 0) {
      e.preventDefault();
      props.open(props.chosen);
    }
  };

  return (
    <div class="log-list" data-wrap={wrap} ref={scroller} role="listbox" tabIndex={0} aria-label={props.label}
      aria-activedescendant={props.chosen >= first && props.chosen < last ? `row-${rows[props.chosen]?.id}` : undefined}
      onKeyDown={onKeyDown}
      onClick={(e) => {
        const row = (e.target as HTMLElement).closest<HTMLElement>(".log-row");
        if (row && !window.getSelection()?.toString()) props.open(Number(row.dataset["index"]));
      }}
      onScroll={(e) => {
        const box = e.currentTarget;
        setTop(box.scrollTop);
        if (box.scrollTop + box.clientHeight > total - 40 * ROW) props.nearEnd();
      }}>
      <div class="log-space" role="presentation" style={{ height: `${total}px` }}>
        <div class="log-rows" role="presentation" ref={body} style={{ transform: `translateY(${offset(first)}px)` }}>
          {rows.slice(first, last).map((row, i) => (
            <ListRow key={row.id} row={row} index={first + i} count={rows.length} chosen={props.chosen === first + i} time={time(row.ms)} source={props.source}
              mark={props.mark} most={wrap ? SHOWN : inSight} />
          ))}
        </div>
      </div>
    </div>
  );
}
