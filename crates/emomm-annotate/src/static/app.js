// Small things of every page: where a change of language leads back to, times in the reader's zone, questions before
// what cannot be undone.

for (const input of document.querySelectorAll("[data-back]")) {
  input.value = location.pathname + location.search;
}

for (const time of document.querySelectorAll("time[data-local]")) {
  const at = new Date(time.dateTime);
  if (!Number.isNaN(at.getTime())) {
    time.textContent = at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  }
}

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.confirm)) event.preventDefault();
  });
}

for (const code of document.querySelectorAll("[data-absolute]")) {
  code.textContent = location.origin + code.dataset.absolute;
}
