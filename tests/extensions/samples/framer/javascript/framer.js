// Loaded before framer.mjs, which uses what is declared here.
var framerOrder = ["framer.js"];

onUiLoaded(() => {
  const mark = document.createElement("p");
  mark.id = "framer_mark";
  gradioApp().getElementById("ti_quicksettings").after(mark);
});

onOptionsChanged(() => {
  const mark = document.getElementById("framer_mark");
  if (mark) mark.textContent = `frame: ${opts.framer_width}`;
});
