// Dragging over a time axis: where it began and where it is; a click is a drag too short to be one.
import { useRef, useState } from "preact/hooks";

export interface Drag {
  from: number;
  to: number;
}

const SHORTEST = 4;

export function useDrag(done: (drag: Drag) => void): {
  drag: Drag | null;
  handlers: { onPointerDown: (e: PointerEvent) => void; onPointerMove: (e: PointerEvent) => void; onPointerUp: (e: PointerEvent) => void; onPointerCancel: () => void };
} {
  const [drag, setDrag] = useState<Drag | null>(null);
  const current = useRef<Drag | null>(null);
  const at = (e: PointerEvent): number => e.clientX - (e.currentTarget as HTMLElement).getBoundingClientRect().left;
  const set = (value: Drag | null): void => {
    current.current = value;
    setDrag(value);
  };
  return {
    drag,
    handlers: {
      onPointerDown(e) {
        if (e.button !== 0) return;
        (e.currentTarget as HTMLElement).setPointerCapture(e.pointerId);
        set({ from: at(e), to: at(e) });
      },
      onPointerMove(e) {
        if (current.current) set({ from: current.current.from, to: at(e) });
      },
      onPointerUp(e) {
        const was = current.current;
        set(null);
        if (!was || Math.abs(at(e) - was.from) < SHORTEST) return;
        const to = at(e);
        done({ from: Math.min(was.from, to), to: Math.max(was.from, to) });
      },
      onPointerCancel: () => set(null),
    },
  };
}
