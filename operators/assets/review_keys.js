// Keys for the panel "premask review": FiftyOne has none for panels that are written in Python. A key
// presses the button that says so, such as "Accept (A)"; without this file the buttons still work.
// Written as browsers read it: nothing builds it, and it uses nothing of FiftyOne but its page.
(function () {
  "use strict";

  var PANEL = '[data-cy="panel-content-premask_review"]';
  // Where a key means something else: forms, the list of operators, an open sample.
  var OTHERS = '[data-cy="operators-prompt-modal"], [data-cy="operators-browser"], [data-cy="modal"]';

  function isTyping(element) {
    return Boolean(element && element.closest && element.closest('input, textarea, select, [contenteditable="true"]'));
  }

  function buttonOf(key) {
    var panel = document.querySelector(PANEL);
    // A panel behind another tab has no size.
    if (!panel || !panel.getClientRects().length || document.querySelector(OTHERS)) return null;
    var ending = "(" + key.toUpperCase() + ")";
    return Array.from(panel.querySelectorAll("button")).find(function (button) {
      return button.textContent.trim().endsWith(ending) && !button.disabled;
    });
  }

  function press(event) {
    var isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat;
    if (!isPlain || event.key.length !== 1 || isTyping(event.target)) return;
    var button = buttonOf(event.key);
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    button.click();
  }

  // Before the App's own keys, and once, however often the file is loaded.
  if (window.premaskReviewKeys) return;
  window.premaskReviewKeys = true;
  document.addEventListener("keydown", press, true);
})();
