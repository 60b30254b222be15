// The query editor: colours, completion, and marks where the server's own parser objects. It lives in a shadow root, where the editor's
// styles need no exception in the page's content security policy.
import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching } from "@codemirror/language";
import { linter, type Diagnostic } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap, placeholder, type KeyBinding } from "@codemirror/view";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { faultOf, type QueryFault } from "../api/logs";
import { range } from "../app/state";
import { completionSource } from "../logql/completion";
import { logqlSupport } from "../logql/language";

const look = EditorView.theme({
  "&": { backgroundColor: "transparent", color: "var(--ink)", fontSize: "13px" },
  "&.cm-focused": { outline: "none" },
  ".cm-content": { fontFamily: "var(--mono)", caretColor: "var(--accent)", padding: "7px 0" },
  ".cm-line": { padding: "0 10px", lineHeight: "20px" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  ".cm-placeholder": { color: "var(--ink-3)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground, .cm-content ::selection": {
    backgroundColor: "var(--selection)",
  },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "var(--selection)", outline: "none" },
  ".cm-tooltip": {
    backgroundColor: "var(--raised)", border: "1px solid var(--line-2)", borderRadius: "6px", boxShadow: "var(--shadow)", color: "var(--ink)",
    overflow: "hidden",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "12px", maxHeight: "260px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 10px", lineHeight: "18px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--selection)", color: "var(--ink)" },
  ".cm-completionDetail": { color: "var(--ink-3)", fontStyle: "normal", fontFamily: "var(--sans)", marginLeft: "1.2em" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
  ".cm-completionIcon": { display: "none" },
  ".cm-diagnostic": { padding: "4px 10px", borderLeft: "3px solid var(--error)", fontFamily: "var(--sans)", fontSize: "12px" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--error)", textUnderlineOffset: "4px" },
});

// The fault's place: from its column to the end of the token there.
function place(text: string, line: number, col: number): { from: number; to: number } {
  if (line === 0) return { from: 0, to: text.length };
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, l) => sum + l.length + 1, 0);
  const at = Math.min(before + col - 1, text.length);
  const token = /^(?:[\w:.]+|"[^"]*"?|\s+|.)/s.exec(text.slice(at));
  return token ? { from: at, to: at + token[0].length } : { from: Math.max(0, text.trimEnd().length - 1), to: text.length };
}

const marks = (told: (fault: QueryFault | null) => void) => linter(
  async (view): Promise<Diagnostic[]> => {
    const text = view.state.doc.toString();
    try {
      const fault = text.trim() ? await faultOf(text) : null;
      told(fault);
      return fault ? [{ ...place(text, fault.line, fault.col), severity: "error", message: fault.message }] : [];
    } catch {
      return [];
    }
  },
  { delay: 350 },
);

// What is typed over a selection goes in here: left to itself the browser would carry the old text's style over as an inline one, which
// the page's policy forbids. Brackets and quotes are not here: those are put around the selection.
const typedOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const text = event.data;
    if (event.inputType !== "insertText" || !text || view.composing || view.state.selection.main.empty || /^["'`({[]$/.test(text)) return false;
    event.preventDefault();
    view.dispatch(view.state.replaceSelection(text), { userEvent: "input.type", scrollIntoView: true });
    return true;
  },
});

export interface EditorHandle {
  focus(): void;
  text(): string;
  set(text: string): void;
}

export interface EditorProps {
  value: string;
  label: string;
  hint: string;
  run: (text: string) => void;
  handle: (handle: EditorHandle) => void;
}

export function Editor(props: EditorProps): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const viewRef = useRef<EditorView | null>(null);
  const [fault, setFault] = useState("");
  const run = useRef(props.run);
  run.current = props.run;

  useEffect(() => {
    const root = host.current!.shadowRoot ?? host.current!.attachShadow({ mode: "open", delegatesFocus: true });
    const keys: KeyBinding[] = [
      { key: "Enter", run: (v) => (run.current(v.state.doc.toString()), true), shift: () => false },
      { key: "Mod-Enter", run: (v) => (run.current(v.state.doc.toString()), true) },
      { key: "Tab", run: acceptCompletion },
      { key: "Escape", run: (v) => (v.contentDOM.blur(), true) },
    ];
    const view = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: props.value,
        extensions: [
          history(),
          logqlSupport(),
          autocompletion({ override: [completionSource(() => range.peek())], icons: false, activateOnTypingDelay: 80 }),
          closeBrackets(),
          typedOver,
          bracketMatching(),
          marks((fault) => setFault(fault ? `${fault.line ? `column ${fault.col}: ` : ""}${fault.message}` : "")),
          keymap.of([...closeBracketsKeymap, ...completionKeymap]),
          keymap.of([...keys, ...historyKeymap, ...defaultKeymap]),
          placeholder(props.hint),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": props.label, spellcheck: "false" }),
          // A space after a selector or an opened quote offers what fits there.
          EditorView.updateListener.of((update) => {
            if (!update.docChanged || !update.view.hasFocus) return;
            const at = update.state.selection.main.head;
            if (/(?:\}\s|\{|[=~]["`]?|, ?|\|\s|\[|\()$/.test(update.state.sliceDoc(Math.max(0, at - 3), at))) startCompletion(update.view);
          }),
          look,
        ],
      }),
    });
    viewRef.current = view;
    props.handle({
      focus: () => view.focus(),
      text: () => view.state.doc.toString(),
      set: (text) => text !== view.state.doc.toString() && view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: text.length } }),
    });
    return () => view.destroy();
  }, []);

  useEffect(() => {
    const view = viewRef.current;
    if (!view || view.state.doc.toString() === props.value) return;
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: props.value }, selection: { anchor: props.value.length } });
  }, [props.value]);

  return (
    <div class="editor-box">
      <div class="editor" ref={host} />
      <p class="query-fault" aria-live="polite">{fault}</p>
    </div>
  );
}
