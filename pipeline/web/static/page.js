// Brings the page to life.

import { element } from "./dom.js";
import { ListenersView } from "./listeners-view.js";
import { MetricsView } from "./metrics-view.js";
import { startSpeakView } from "./speak-view.js";
import { startTabs } from "./tabs.js";
import { startTheme } from "./theme.js";
import { Voices, startKeyForm } from "./voices.js";

startTheme();
const voices = new Voices([element("voice"), element("crowd-voice")]);
startKeyForm(() => location.reload());
new ListenersView();
const metrics = new MetricsView();
startTabs((view) => (view === "listeners" ? metrics.start() : metrics.stop()));
await startSpeakView(voices);
