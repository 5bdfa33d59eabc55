// Brings the page to life.

import { ListenersView } from "./listeners-view.js";
import { MetricsView } from "./metrics-view.js";
import { startSpeakView } from "./speak-view.js";
import { startTabs } from "./tabs.js";
import { startTheme } from "./theme.js";
import { Voices } from "./voices.js";

startTheme();
const voices = new Voices();
new ListenersView(voices);
const metrics = new MetricsView();
startTabs((view) => (view === "listeners" ? metrics.start() : metrics.stop()));
await startSpeakView(voices);
