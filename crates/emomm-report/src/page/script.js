// The page's behaviour: views by address, the list of samples, case cards. No data is ever written as HTML.
"use strict";
(function () {
  const doc = document;
  const $ = (id) => doc.getElementById(id);
  const parsed = (id) => { const node = $(id); return node ? JSON.parse(node.textContent) : null; };
  const index = parsed("index-data");
  const COALITIONS = ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"];
  const CLASSES = ["N", "WN", "Neu", "WP", "P"];
  const LETTERS = ["A", "B", "C", "D", "E"];
  const NAMES = ["negative", "weakly negative", "neutral", "weakly positive", "positive"];
  const MODALITIES = ["T", "A", "V"];
  const WORDS = { T: "text", A: "audio", V: "video" };
  const SUBSETS = { a: "align", e: "equal", s: "same-polarity", c: "conflict", m: "missing-align", x: "missing-conflict", ".": "" };
  const STATUS = { p: "parse_error", m: "media_error", r: "refused", b: "blocked", t: "timeout", l: "rate_limited", a: "aborted", x: "error" };
  const LEVELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const ROW = 52;

  function make(tag, attributes, ...children) {
    const node = doc.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      node.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children) if (child !== null && child !== undefined) node.append(child);
    return node;
  }
  const SVG = "http://www.w3.org/2000/svg";
  function shape(tag, attributes, title) {
    const node = doc.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (title) { const t = doc.createElementNS(SVG, "title"); t.textContent = title; node.append(t); }
    return node;
  }
  const ink = (name) => "var(--e-" + name.toLowerCase() + ")";
  const percent = (share) => (100 * share).toFixed(1) + " %";

  // ---- The address holds the whole state: #view?key=value&… -------------------------------------------------------
  function address() {
    const text = location.hash.replace(/^#/, "");
    const at = text.indexOf("?");
    const view = at < 0 ? text : text.slice(0, at);
    return { view: view || "overview", state: new URLSearchParams(at < 0 ? "" : text.slice(at + 1)) };
  }
  function link(view, state) {
    const kept = new URLSearchParams();
    for (const [key, value] of Object.entries(state)) if (value) kept.set(key, value);
    const text = kept.toString();
    return "#" + view + (text ? "?" + text : "");
  }

  /// What is wider than its place can be scrolled by the keyboard, too.
  function reachable() {
    for (const panel of doc.querySelectorAll("section:not([hidden]) .panel")) {
      const wide = panel.scrollWidth > panel.clientWidth;
      if (wide === panel.hasAttribute("tabindex")) continue;
      const title = panel.closest("figure").querySelector("h3, h4");
      for (const [key, value] of Object.entries({ tabindex: "0", role: "group", "aria-label": title ? title.textContent : "Figure" })) {
        if (wide) panel.setAttribute(key, value); else panel.removeAttribute(key);
      }
    }
  }
  window.addEventListener("resize", reachable);

  const views = Array.from(doc.querySelectorAll("section[data-view]"));
  let shown = null;
  function route() {
    const { view, state } = address();
    const target = doc.getElementById(view);
    const wanted = views.find((v) => v.id === view || (target && v.contains(target))) || views[0];
    const changed = shown !== wanted.id;
    for (const v of views) v.hidden = v !== wanted;
    for (const a of doc.querySelectorAll("nav a[data-for]")) {
      const here = a.dataset.for === wanted.dataset.nav;
      if (here) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
    }
    reachable();
    if (wanted.id === "samples") list.show(state);
    if (wanted.id === "case") card.show(state);
    if (changed) {
      const heading = wanted.querySelector("h2");
      if (shown !== null && heading) heading.focus({ preventScroll: true });
      // The browser itself jumps to the element of the address; views begin at the top.
      const inside = doc.getElementById(view);
      if (!inside || inside === wanted) { window.scrollTo(0, 0); requestAnimationFrame(() => window.scrollTo(0, 0)); }
      shown = wanted.id;
      doc.title = (heading ? heading.textContent + " · " : "") + doc.body.dataset.title;
    }
  }

  // ---- Chunks of details ---------------------------------------------------------------------------------------------
  const chunks = new Map();
  const waiting = new Map();
  window.emommChunk = function (number, content) {
    chunks.set(number, content);
    (waiting.get(number) || []).forEach((f) => f(content));
    waiting.delete(number);
  };
  function chunk(number, then) {
    if (chunks.has(number)) return then(chunks.get(number));
    const inline = parsed("chunk-" + number);
    if (inline) { chunks.set(number, inline); return then(inline); }
    const queue = waiting.get(number);
    if (queue) { queue.push(then); return; }
    waiting.set(number, [then]);
    const script = make("script", { src: index.chunk_path + number + ".js" });
    script.onerror = () => {
      const message = "The file " + index.chunk_path + number + ".js could not be read. Keep it beside this page.";
      (waiting.get(number) || []).forEach((f) => f(null, message));
      waiting.delete(number);
    };
    doc.head.append(script);
  }

  // ---- Samples -------------------------------------------------------------------------------------------------------
  const n = index ? index.clips.id.length : 0;
  const answerOf = (run, clip, c) => index.runs[run].answers.charAt(8 * clip + c);
  const labelOf = (clip, source) => index.clips.labels.charAt(4 * clip + source);
  const subsetOf = (clip, c) => index.clips.subsets.charAt(8 * clip + c);
  const confidenceOf = (run, clip, c) => {
    const code = index.runs[run].confidence.charCodeAt(8 * clip + c) - 48;
    return code < 0 ? null : code / 50;
  };
  const sign = (digit) => (digit === "-" ? null : digit < "2" ? -1 : digit > "2" ? 1 : 0);
  function resultOf(run, clip, c) {
    const a = answerOf(run, clip, c);
    if (a === "-") return "";
    if (a < "0" || a > "4") return "none";
    return a === labelOf(clip, 0) ? "right" : "wrong";
  }
  function withinSubset(clip, c, wanted) {
    // A pair is a masked copy, whatever its labels say.
    if (wanted === "missing") return c >= 4 && c < 7;
    const code = subsetOf(clip, c);
    if (wanted === "align") return code === "a" || code === "e" || code === "s";
    return SUBSETS[code] === wanted;
  }

  const list = (function () {
    if (!index) return { show() {}, step() {}, neighbours() { return {}; } };
    const box = $("list"), space = $("list-space"), rows = $("list-rows"), form = $("filters"), count = $("list-count");
    const PAGES = [];
    let found = new Uint32Array(0), first = -1, last = -1, active = -1, current = null, pending = 0, settling = 0, query = "";
    const fields = ["run", "coalition", "subset", "corpus", "language", "truth", "answer", "result", "wrong", "flip", "against", "sure", "q"];

    function read(state) {
      const wanted = {};
      for (const field of fields) wanted[field] = state.get(field) || "";
      return wanted;
    }
    function test(w) {
      const run = Math.max(0, index.runs.findIndex((r) => r.name === w.run));
      let against = index.runs.findIndex((r) => r.name === w.against);
      if (against < 0) against = index.runs.length > 1 ? (run === 0 ? 1 : 0) : -1;
      const corpus = index.corpora.indexOf(w.corpus), language = index.languages.indexOf(w.language);
      const truth = CLASSES.indexOf(w.truth), answer = CLASSES.indexOf(w.answer);
      const words = w.q.trim().toLowerCase();
      const wrong = MODALITIES.indexOf(w.wrong);
      const sure = w.sure ? Number(w.sure) / 100 : null;
      const pooled = w.coalition === "overall";
      const only = pooled || w.coalition === "any" ? -1 : COALITIONS.indexOf(w.coalition || "TAV");
      // The full clip and its pairs come last.
      const from = pooled ? 4 : Math.max(0, only), to = only < 0 ? 7 : only;
      const hits = [];
      for (let clip = 0; clip < n; clip++) {
        if (corpus >= 0 && index.clips.corpus[clip] !== corpus) continue;
        if (language >= 0 && index.clips.language[clip] !== language) continue;
        if (truth >= 0 && labelOf(clip, 0) !== String(truth)) continue;
        if (words && !index.clips.id[clip].toLowerCase().includes(words) &&
            !(index.clips.text && (index.clips.text[clip] || "").toLowerCase().includes(words))) continue;
        for (let c = from; c <= to; c++) {
          const a = answerOf(run, clip, c);
          if (a === "-") continue;
          // Under one coalition the subsets of full clips are those of the whole clip, whatever is shown of it.
          if (w.subset && !withinSubset(clip, c, w.subset) && !(only >= 0 && withinSubset(clip, 7, w.subset))) continue;
          if (answer >= 0 && a !== String(answer)) continue;
          const result = resultOf(run, clip, c);
          if (w.result) {
            if (w.result === "answered" ? result === "none" : w.result === "none" ? result !== "none" : w.result in STATUS_CODES ? a !== STATUS_CODES[w.result] : result !== w.result) continue;
          }
          if (wrong >= 0) {
            const s = sign(labelOf(clip, wrong + 1));
            if (s === null || s === sign(labelOf(clip, 0))) continue;
          }
          if (sure !== null) { const p = confidenceOf(run, clip, c); if (p === null || p < sure) continue; }
          if (w.flip) {
            if (against < 0) continue;
            const other = resultOf(against, clip, c);
            if (!other || !result) continue;
            const now = result === "right", then = other === "right";
            if (w.flip === "gained" && !(now && !then)) continue;
            if (w.flip === "lost" && !(!now && then)) continue;
            if (w.flip === "changed" && a === answerOf(against, clip, c)) continue;
          }
          hits.push(8 * clip + c);
        }
      }
      return { hits: Uint32Array.from(hits), run, against };
    }
    const STATUS_CODES = Object.fromEntries(Object.entries(STATUS).map(([code, word]) => [word, code]));

    // Rows are made once and filled again: a frame of a scroll makes no nodes, and writes what is different.
    const pool = [];
    function emptyRow() {
      const part = (name, ...children) => make("span", { class: name, role: "cell" }, ...children);
      const word = (name) => { const node = make("span", { class: name }), text = doc.createTextNode(""); node.append(text); return [node, text]; };
      const r = { node: make("div", { role: "row" }), link: make("a", { class: "id" }), mark: part("mark"), was: {}, place: -1 };
      r.idText = doc.createTextNode(""); r.link.append(r.idText);
      [r.snippet, r.snippetText] = word("snippet"); [r.sure, r.sureText] = word("sure");
      const label = (name) => { const text = doc.createTextNode(""); return { node: make("span", {}, make("b", {}, name), text), text, of: null }; };
      r.labels = SOURCES.map(label);
      r.saidText = doc.createTextNode(""); r.shownText = doc.createTextNode(""); r.subsetText = doc.createTextNode("");
      r.markText = doc.createTextNode("");
      r.mark.append(r.markText);
      r.node.append(r.mark, part("what", r.link, r.snippet), part("labels", ...r.labels.map((l) => l.node)),
        part("said", r.saidText, r.sure), part("shown", r.shownText), part("subset", r.subsetText));
      return r;
    }
    function put(text, words) { if (text.data !== words) text.data = words; }
    function fillRow(r, position) {
      const key = found[position], clip = key >> 3, c = key & 7, run = current.run;
      const result = resultOf(run, clip, c), a = answerOf(run, clip, c), id = index.clips.id[clip];
      const name = "row" + (position === active ? " active" : "");
      if (r.was.name !== name) r.node.className = r.was.name = name;
      r.link.setAttribute("href", current.address + encodeURIComponent(id) + "&show=" + COALITIONS[c]);
      r.node.setAttribute("aria-rowindex", position + 2);
      r.node.dataset.position = position;
      const said = result === "none" ? STATUS[a] || "no answer" : result;
      if (r.was.said !== said) {
        r.was.said = said;
        r.mark.className = "mark " + result;
        r.mark.title = said;
        r.mark.setAttribute("aria-label", said);
        put(r.markText, result === "right" ? "\u2713" : result === "wrong" ? "\u2717" : "!");
      }
      put(r.idText, id);
      put(r.snippetText, index.clips.text ? index.clips.text[clip] || "" : "");
      r.labels.forEach((label, i) => {
        const of = labelWords(clip, c, i);
        if (label.of === of) return;
        label.of = of;
        label.node.className = of.name; label.node.title = of.title;
        put(label.text, of.text);
      });
      const confidence = confidenceOf(run, clip, c);
      put(r.saidText, a >= "0" && a <= "4" ? CLASSES[a] : "\u2013");
      put(r.sureText, confidence === null ? "" : (confidence > 0.97 ? " \u2265 " : " ") + Math.round(100 * confidence) + " %");
      put(r.shownText, COALITIONS[c]);
      put(r.subsetText, SUBSETS[subsetOf(clip, c)] || "");
    }
    function draw() {
      pending = 0;
      const scrolled = box.scrollTop;
      const top = Math.max(0, Math.floor(scrolled / ROW) - 4);
      const bottom = Math.min(found.length, Math.ceil((scrolled + box.clientHeight) / ROW) + 4);
      if (top === first && bottom === last) return;
      first = top; last = bottom;
      while (pool.length < bottom - top) pool.push(emptyRow());
      const taken = new Set();
      for (let i = top; i < bottom; i++) {
        // A row keeps its node, and with it the focus, while it is in sight.
        const r = pool[i % pool.length];
        taken.add(r);
        fillRow(r, i);
        if (r.place !== i) { r.place = i; r.node.style.transform = "translateY(" + i * ROW + "px)"; }
        if (!r.node.isConnected) rows.append(r.node);
      }
      for (const r of pool) if (!taken.has(r) && r.node.isConnected) r.node.remove();
      clearTimeout(settling);
      settling = setTimeout(settle, 150);
    }
    /// Puts the nodes into the order of their rows, for the keyboard and for those who listen, once the list stands still. The node
    /// with the focus stays where it is: one that is moved loses it.
    function settle() {
      const wanted = pool.filter((r) => r.node.isConnected).sort((a, b) => a.place - b.place).map((r) => r.node);
      const fixed = wanted.indexOf(doc.activeElement.closest(".row"));
      if (fixed < 0) { if (wanted.some((node, i) => rows.children[i] !== node)) rows.append(...wanted); return; }
      for (const node of wanted.slice(0, fixed)) rows.insertBefore(node, wanted[fixed]);
      rows.append(...wanted.slice(fixed + 1));
    }
    function request() { if (!pending) pending = requestAnimationFrame(draw); }
    box.addEventListener("scroll", request, { passive: true });
    // The whole row follows its link.
    rows.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (!row || event.target.closest("a") || String(getSelection())) return;
      const { ctrlKey, metaKey, shiftKey } = event;
      row.querySelector("a").dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey }));
    });
    window.addEventListener("resize", () => { first = -1; request(); });

    function fill(wanted) {
      for (const field of fields) {
        const control = form.elements.namedItem(field);
        if (!control) continue;
        const value = wanted[field] || (field === "coalition" ? "TAV" : "");
        if (control.value !== value) control.value = value;
        control.classList.toggle("set", !!wanted[field]);
      }
    }
    function change(replace) {
      const state = {};
      for (const field of fields) {
        const control = form.elements.namedItem(field);
        if (control && control.value && !(field === "coalition" && control.value === "TAV")) state[field] = control.value;
      }
      const target = link("samples", state);
      if (replace) history.replaceState(null, "", target); else history.pushState(null, "", target);
      route();
    }
    form.addEventListener("change", (event) => { if (event.target.name !== "q") change(false); });
    form.addEventListener("input", (event) => { if (event.target.name === "q") change(true); });
    form.addEventListener("submit", (event) => event.preventDefault());
    $("filters-clear").addEventListener("click", () => { history.pushState(null, "", "#samples"); route(); });

    function apply(state) {
      const wanted = read(state);
      const text = JSON.stringify(wanted);
      if (text === query) return;
      query = text;
      const result = test(wanted);
      const target = link("case", wanted);
      found = result.hits;
      current = { wanted, run: result.run, against: result.against, address: target + (target.includes("?") ? "&id=" : "?id=") };
      active = -1;
    }
    function show(state) {
      const before = query;
      apply(state);
      fill(current.wanted);
      if (query !== before) box.scrollTop = 0;
      space.style.height = found.length * ROW + "px";
      const clips = new Set(); for (const key of found) clips.add(key >> 3);
      count.textContent = found.length.toLocaleString("en") + (found.length === 1 ? " sample" : " samples") +
        (clips.size === found.length ? "" : " of " + clips.size.toLocaleString("en") + " clips");
      box.setAttribute("aria-rowcount", found.length + 1);
      $("list-empty").hidden = found.length > 0;
      first = -1; request();
    }
    function step(by) {
      if (!found.length) return;
      active = Math.min(found.length - 1, Math.max(0, active + by));
      const top = active * ROW;
      if (top < box.scrollTop) box.scrollTop = top;
      if (top + ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW - box.clientHeight;
      first = -1; draw();
      const node = rows.querySelector('[data-position="' + active + '"] a');
      if (node) node.focus({ preventScroll: true });
    }
    function neighbours(state, id, show) {
      apply(state);
      const clip = index.clips.id.indexOf(id), c = COALITIONS.indexOf(show);
      let at = found.indexOf(8 * clip + c);
      if (at < 0) at = found.findIndex((key) => key >> 3 === clip);
      active = at;
      const to = (position) => {
        if (at < 0 || position < 0 || position >= found.length) return null;
        const key = found[position];
        return link("case", Object.assign({}, current.wanted, { id: index.clips.id[key >> 3], show: COALITIONS[key & 7] }));
      };
      return { at, n: found.length, previous: to(at - 1), next: to(at + 1), back: link("samples", current.wanted), wanted: current.wanted };
    }
    return { show, step, neighbours, pages: PAGES };
  })();

  /// The labels of a clip, the ground truth first; what is not shown is faint, what contradicts the truth is struck under.
  const SOURCES = ["GT"].concat(MODALITIES);
  const kept = new Map();
  function labelWords(clip, c, source) {
    const truth = labelOf(clip, 0), digit = labelOf(clip, source), name = SOURCES[source];
    const isShown = source === 0 || (c !== 0 && COALITIONS[c].includes(name));
    const key = name + digit + truth + isShown;
    let words = kept.get(key);
    if (!words) {
      const differs = source > 0 && digit !== "-" && sign(digit) !== sign(truth);
      words = {
        name: "label of-" + name.toLowerCase() + (differs ? " differs" : "") + (isShown ? "" : " hidden-modality"),
        title: (source === 0 ? "ground truth" : WORDS[name]) + ": " + (digit === "-" ? "no label" : NAMES[digit]) +
          (differs ? ", differs from the ground truth" : "") + (isShown ? "" : ", not shown"),
        text: " " + (digit === "-" ? "\u2013" : CLASSES[digit]),
      };
      kept.set(key, words);
    }
    return words;
  }
  function labels(clip, c) {
    const fragment = doc.createDocumentFragment();
    SOURCES.forEach((name, source) => {
      const words = labelWords(clip, c, source);
      fragment.append(make("span", { class: words.name, title: words.title }, make("b", {}, name), words.text));
    });
    return fragment;
  }

  // ---- Case card ------------------------------------------------------------------------------------------------------
  const card = (function () {
    const box = $("case-body");
    function show(state) {
      const id = state.get("id"), wantedShow = state.get("show") || "TAV";
      const clip = index.clips.id.indexOf(id);
      if (clip < 0) { box.replaceChildren(make("p", {}, id ? "There is no sample " + id + " in this report." : "Choose a sample from the list.")); return; }
      box.setAttribute("aria-busy", "true");
      const near = list.neighbours(state, id, wantedShow);
      const number = Math.floor(clip / index.chunk_size);
      chunk(number, (content, message) => {
        const now = address();
        if (now.view !== "case" || now.state.get("id") !== id) return;
        box.removeAttribute("aria-busy");
        if (!content) { box.replaceChildren(make("p", { class: "warning" }, message)); return; }
        draw(clip, content[clip % index.chunk_size], Math.max(0, COALITIONS.indexOf(wantedShow)), near);
      });
    }
    function draw(clip, detail, c, near) {
      const coalition = COALITIONS[c];
      const parts = [];
      const nav = make("div", { class: "case-nav" },
        make("a", { href: near.back, id: "case-back" }, "\u2190 list"),
        make("span", { class: "spread" }, near.at >= 0 ? (near.at + 1).toLocaleString("en") + " of " + near.n.toLocaleString("en") : ""),
        make("a", { href: near.previous || "#case", id: "case-previous", class: near.previous ? "" : "off", "aria-disabled": near.previous ? null : "true" }, "previous"),
        make("a", { href: near.next || "#case", id: "case-next", class: near.next ? "" : "off", "aria-disabled": near.next ? null : "true" }, "next"));
      parts.push(nav);
      parts.push(make("h3", { class: "case-id" }, index.clips.id[clip]));
      parts.push(make("p", { class: "facts" }, [
        index.corpora[index.clips.corpus[clip]], index.languages[index.clips.language[clip]],
        "group " + detail.group, detail.split, SUBSETS[subsetOf(clip, 7)] || "subset unknown",
      ].join(" · ")));
      const tabs = make("div", { class: "tabs", role: "group", "aria-label": "What is shown" });
      COALITIONS.forEach((word, i) => {
        const known = index.runs.some((_, r) => answerOf(r, clip, i) !== "-");
        const target = link("case", Object.assign({}, near.wanted, { id: index.clips.id[clip], show: word }));
        tabs.append(make("a", { href: target, class: known ? "" : "off", "aria-current": i === c ? "true" : null, title: "key " + (i + 1) }, word === "none" ? "\u2205" : word));
      });
      parts.push(tabs);

      const evidence = make("div", { class: "card evidence" }, make("h4", {}, "Evidence"));
      const shownText = coalition.includes("T");
      evidence.append(make("p", { class: "transcript" + (shownText ? "" : " hidden-modality") }, detail.text || "no transcript",
        shownText ? "" : make("span", { class: "note" }, " (not shown)")));
      evidence.append(make("p", { class: "labels" }, labels(clip, c)));
      const scores = ["GT", "T", "A", "V"].map((s, i) => s + " " + (detail.scores[i] === null ? "\u2013" : detail.scores[i].toFixed(1)));
      evidence.append(make("p", { class: "note" }, "Scores: " + scores.join(", ") + "."));
      if (detail.frames && detail.frames.length) {
        const strip = make("div", { class: "frames" });
        detail.frames.forEach((f, i) => strip.append(make("img", { src: f, alt: "frame " + (i + 1) + " of " + detail.frames.length, loading: "lazy" })));
        evidence.append(strip);
      }
      if (detail.wave && detail.wave.length) evidence.append(waveform(detail.wave));
      if (detail.mel) evidence.append(spectrogram(detail.mel), make("p", { class: "note" },
        "Sound: loudness, and below it mel bands from 0 to 8 kHz upwards; the colour spans " + detail.mel[2] + " dB."));
      parts.push(evidence);

      const said = detail.said && detail.said[coalition];
      if (said) parts.push(make("div", { class: "card said" }, make("h4", {}, "Interpretation"), make("p", {}, said)));

      const runs = make("div", { class: "runs" });
      const chosen = index.runs.length > 2 ? pick(near.wanted) : index.runs.map((_, i) => i);
      // Runs side by side share the scale of their heat.
      const most = (key) => Math.max(...chosen.map((r) => { const record = (detail.runs[r] || {})[c]; return (record && record.h && record.h[key]) || 0; }));
      const scales = { a: most("am"), i: most("im") };
      for (const r of chosen) runs.append(runCard(clip, detail, c, r, scales));
      parts.push(runs);

      const prompt = index.prompts[index.maps[index.clips.corpus[clip]]][c];
      const filled = shownText ? prompt.split("\u0001").join(detail.text || "") : prompt;
      parts.push(make("details", { class: "card" }, make("summary", {}, "Prompt under " + (coalition === "none" ? "the empty coalition" : coalition)),
        make("pre", {}, filled)));
      box.replaceChildren(...parts);
    }
    function pick(wanted) {
      const a = Math.max(0, index.runs.findIndex((r) => r.name === wanted.run));
      let b = index.runs.findIndex((r) => r.name === wanted.against);
      if (b < 0) b = a === 0 ? 1 : 0;
      return a === b ? [a] : [a, b];
    }
    function waveform(values) {
      const w = 480, h = 60, svg = shape("svg", { viewBox: "0 0 " + w + " " + h, role: "img", class: "wave", "aria-label": "Loudness of the sound over time" });
      svg.append(shape("title", {}));
      svg.firstChild.textContent = "Loudness of the sound over time";
      const step = w / values.length;
      values.forEach((v, i) => {
        const height = Math.max(1, v * h);
        svg.append(shape("rect", { x: i * step, y: (h - height) / 2, width: Math.max(0.6, step * 0.8), height, fill: ink("a") }));
      });
      return svg;
    }
    /// Mel bands over time; one path for each level, so that a card holds few nodes.
    function spectrogram([steps, bands, range, letters]) {
      const said = "Mel spectrogram of the sound, 0 to 8 kHz, " + range + " dB";
      const svg = shape("svg", { viewBox: "0 0 " + steps + " " + bands, preserveAspectRatio: "none", role: "img", class: "mel", "aria-label": said }, said);
      const paths = Array.from(LEVELS, () => "");
      for (let band = 0; band < bands; band++) for (let step = 0; step < steps;) {
        const letter = letters.charAt(band * steps + step), from = step;
        while (step < steps && letters.charAt(band * steps + step) === letter) step++;
        paths[LEVELS.indexOf(letter)] += "M" + from + " " + (bands - 1 - band) + "h" + (step - from) + "v1h" + (from - step) + "z";
      }
      paths.forEach((d, level) => { if (d && level) svg.append(shape("path", { d, fill: ink("a"), "fill-opacity": Math.pow(level / 63, 1.5).toFixed(3) })); });
      return svg;
    }
    function probabilities(logits) {
      const top = Math.max(...logits);
      const e = logits.map((l) => Math.exp(l - top));
      const sum = e.reduce((a, b) => a + b, 0);
      return e.map((v) => v / sum);
    }
    function runCard(clip, detail, c, r, scales) {
      const truth = Number(labelOf(clip, 0));
      const node = make("div", { class: "card run" }, make("h4", {}, index.runs[r].name));
      const mine = detail.runs[r] || {};
      const here = mine[c];
      const result = resultOf(r, clip, c), a = answerOf(r, clip, c);
      if (a === "-") {
        node.append(make("p", { class: "note" }, "This run holds no record under " + COALITIONS[c] + "."));
      } else {
        const mark = result === "right" ? "\u2713" : result === "wrong" ? "\u2717" : "!";
        node.append(make("p", { class: "verdict" }, make("span", { class: "mark " + result }, mark),
          result === "none" ? " no answer: " + (STATUS[a] || a) : " " + NAMES[a] + " (" + LETTERS[a] + ")" +
          (here && here.rs !== undefined && here.rs !== null ? ", score " + here.rs : ""),
          make("span", { class: "note" }, result === "wrong" ? ", truth " + NAMES[truth] : "")));
      }
      if (here && here.err) node.append(make("p", { class: "warning" }, here.err));
      node.append(letterTable(clip, mine, c, r, truth));
      if (here && here.a) node.append(budget(unpacked(here.a, COALITIONS[c]), COALITIONS[c], here.st));
      if (here && here.h) node.append(heat(here.h, detail.frames, scales));
      if (here && here.reply) node.append(make("details", {}, make("summary", {}, "Reply"), make("pre", {}, here.reply)));
      if (here && here.tok) {
        const t = here.tok;
        node.append(make("p", { class: "note" }, "Tokens: T " + t[0] + ", A " + t[1] + ", V " + t[2] + ", other " + t[3] + ". " + (here.ms || 0).toFixed(0) + " ms."));
      }
      return node;
    }
    function letterTable(clip, mine, c, r, truth) {
      const table = make("table", { class: "letters" }, make("caption", {}, "Probabilities of the five letters by what is shown"));
      const head = make("tr", {}, make("th", { scope: "col" }, "Shown"));
      LETTERS.forEach((l, i) => head.append(make("th", { scope: "col", class: i === truth ? "truth" : "", title: NAMES[i] + (i === truth ? ", the truth" : "") },
        l, make("span", { class: "note" }, " " + CLASSES[i]))));
      table.append(make("thead", {}, head));
      const body = make("tbody", {});
      const absent = [];
      COALITIONS.forEach((word, i) => {
        if (answerOf(r, clip, i) === "-" && i !== c) { absent.push(word === "none" ? "\u2205" : word); return; }
        const line = make("tr", { class: i === c ? "here" : "" }, make("th", { scope: "row" }, word === "none" ? "\u2205" : word));
        const record = mine[i];
        const a = answerOf(r, clip, i);
        if (record && record.l) {
          probabilities(record.l).forEach((p, k) => {
            const step = Math.min(9, Math.floor(p * 10));
            line.append(make("td", { class: "p step" + step + (k === truth ? " truth" : "") + (String(k) === a ? " chosen" : ""), title: percent(p) }, (100 * p).toFixed(0)));
          });
        } else {
          const words = a === "-" ? "no record" : a >= "0" && a <= "4" ? "answered " + LETTERS[a] + ", no probabilities" : STATUS[a] || "no answer";
          line.append(make("td", { colspan: 5, class: "note" }, words));
        }
        body.append(line);
      });
      if (absent.length) body.append(make("tr", {}, make("td", { colspan: 6, class: "note" }, "No record under " + absent.join(" ") + ".")));
      table.append(body);
      return table;
    }
    /// Shares in thousandths: each layer holds those of the shown modalities but the last, which is the rest.
    function unpacked(values, coalition) {
      const shown = MODALITIES.filter((m) => coalition.includes(m)), k = shown.length - 1, layers = [];
      const n = k ? values.length / k : values[0];
      for (let layer = 0; layer < n; layer++) {
        const given = values.slice(layer * k, layer * k + k);
        if (k && given[0] < 0) { layers.push(null); continue; }
        const shares = [0, 0, 0];
        let rest = 1000;
        given.forEach((v, i) => { shares[MODALITIES.indexOf(shown[i])] = v; rest -= v; });
        shares[MODALITIES.indexOf(shown[k])] = rest;
        layers.push(shares);
      }
      return layers;
    }
    function budget(layers, coalition, steering) {
      const shown = MODALITIES.filter((m) => coalition.includes(m));
      const steered = new Map((steering || []).map((s) => [s[0], s]));
      const table = make("table", { class: "budget" }, make("caption", {}, "Attention budget by layer: share of attention per token"));
      const head = make("tr", {}, make("th", { scope: "col" }, "Layer"), make("th", { scope: "col" }, "Budget"));
      shown.forEach((m) => head.append(make("th", { scope: "col", class: "num of-" + m.toLowerCase() }, m)));
      if (steered.size) head.append(make("th", { scope: "col", class: "num wide", title: "conflict probability of the router" }, "p"));
      table.append(make("thead", {}, head));
      const body = make("tbody", {});
      layers.forEach((shares, i) => {
        const line = make("tr", {}, make("th", { scope: "row" }, "L" + (i + 1)));
        const svg = shape("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", class: "bar", "aria-hidden": "true" });
        let x = 0;
        if (shares) shown.forEach((m) => {
          const w = shares[MODALITIES.indexOf(m)] / 10;
          svg.append(shape("rect", { x, y: 0, width: Math.max(0, w - 0.4), height: 10, fill: ink(m) }, WORDS[m] + " " + w.toFixed(1) + " %"));
          x += w;
        });
        line.append(make("td", { class: "barcell" }, svg));
        shown.forEach((m) => line.append(make("td", { class: "num" }, shares ? (shares[MODALITIES.indexOf(m)] / 10).toFixed(1) : "\u2013")));
        const s = steered.get(i + 1);
        if (steered.size) line.append(make("td", { class: "num" + (s && s[2] ? " steered" : "") }, s && s[1] !== null ? s[1].toFixed(2) + (s[2] ? " \u2713" : "") : ""));
        body.append(line);
      });
      table.append(body);
      return table;
    }
    /// Heat over a few frames: attention, importance, and the outline of the person.
    function heat(h, frames, scales) {
      const [steps, rows, columns] = h.g, cells = rows * columns;
      const box = make("div", { class: "heats" });
      // The picture nearest in time: both are taken from even parts of the clip.
      const picture = (step) => frames && frames.length ? frames[Math.floor((2 * step + 1) / (2 * steps) * frames.length)] : null;
      const strip = (title, letters, greatest, fullest) => {
        const line = make("div", { class: "frames" });
        h.s.forEach((step, k) => {
          const said = title + " over step " + (step + 1) + " of " + steps;
          const svg = shape("svg", { viewBox: "0 0 " + columns + " " + rows, role: "img", class: "heat", "aria-label": said }, said);
          if (picture(step)) svg.append(shape("image", { href: picture(step), width: columns, height: rows, preserveAspectRatio: "none" }));
          for (let at = 0; at < cells; at++) {
            const letter = letters.charAt(k * cells + at);
            const x = at % columns, y = Math.floor(at / columns);
            if (letter === ".") { svg.append(shape("rect", { x, y, width: 1, height: 1, class: "gone" }, "left out")); continue; }
            const share = LEVELS.indexOf(letter) / 63;
            svg.append(shape("rect", { x, y, width: 1, height: 1, fill: ink("heat"), "fill-opacity": (0.85 * share * greatest / (fullest || 1)).toFixed(3) },
              "row " + (y + 1) + ", column " + (x + 1) + ": " + (share * greatest).toPrecision(2)));
          }
          if (h.p) svg.append(outline(h.p.slice(k * cells, (k + 1) * cells), rows, columns));
          line.append(svg);
        });
        box.append(make("p", { class: "note" }, title + ", fullest colour " + fullest.toPrecision(2) + (h.p ? "; line: the person" : "")), line);
      };
      strip("Attention on visual tokens, last third of the layers", h.a, h.am, scales.a);
      if (h.i) strip("Importance of visual tokens, before any steering", h.i, h.im, scales.i);
      return box;
    }
    /// Borders between cells that show the person and cells that do not.
    function outline(marks, rows, columns) {
      const is = (y, x) => y >= 0 && x >= 0 && y < rows && x < columns && marks.charAt(y * columns + x) === "1";
      let d = "";
      for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
        if (!is(y, x)) continue;
        if (!is(y - 1, x)) d += "M" + x + " " + y + "h1";
        if (!is(y + 1, x)) d += "M" + x + " " + (y + 1) + "h1";
        if (!is(y, x - 1)) d += "M" + x + " " + y + "v1";
        if (!is(y, x + 1)) d += "M" + (x + 1) + " " + y + "v1";
      }
      return shape("path", { d, class: "outline" });
    }
    return { show };
  })();

  // ---- Keys ------------------------------------------------------------------------------------------------------------
  const help = $("help");
  doc.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape" && typing) { event.target.blur(); return; }
    if (typing) return;
    const { view, state } = address();
    const follow = (id) => { const a = $(id); if (a && !a.classList.contains("off")) location.hash = a.getAttribute("href"); };
    if (event.key === "?") { if (help.open) help.close(); else help.showModal(); }
    else if (event.key === "/") { event.preventDefault(); location.hash = "#samples"; setTimeout(() => $("filters").elements.namedItem("q").focus(), 0); }
    else if (event.key === "j") { if (view === "case") follow("case-next"); else if (view === "samples") list.step(1); }
    else if (event.key === "k") { if (view === "case") follow("case-previous"); else if (view === "samples") list.step(-1); }
    else if (event.key === "Escape" && view === "case") follow("case-back");
    else if (/^[1-8]$/.test(event.key) && view === "case") { state.set("show", COALITIONS[Number(event.key) - 1]); location.hash = "#case?" + state; }
    else if (/^[1-8]$/.test(event.key) && view === "samples") { state.set("coalition", COALITIONS[Number(event.key) - 1]); location.hash = "#samples?" + state; }
  });
  const opener = $("help-open");
  if (opener) opener.addEventListener("click", () => help.showModal());

  if (index && window.innerWidth < 760) $("filterbox").open = false;
  doc.documentElement.classList.add("js");
  window.addEventListener("hashchange", route);
  window.addEventListener("popstate", route);
  route();
})();
