// Where the page begins.
import { render } from "preact";
import { startKeys } from "./app/keys";
import { loadPageInfo } from "./app/page_info";
import { Shell } from "./app/shell";
import { startState } from "./app/state";
import { startTheme } from "./app/theme";
import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/frame.css";
import "./style/lines.css";
import "./style/views.css";

startTheme();
startState();
startKeys();
void loadPageInfo();
// The head that stood there meanwhile makes room.
const app = document.getElementById("app")!;
app.textContent = "";
render(<Shell />, app);
