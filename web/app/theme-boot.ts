// Runs before the first paint, apart from the module bundle, so that a chosen theme never flashes in the other one.
import { chosenTheme } from "./theme.ts";

const theme = chosenTheme();
if (theme) document.documentElement.dataset.theme = theme;
