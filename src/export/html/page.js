// The script of a page: the search, folded parts on paper, and what opens a sealed page. It loads, sends and keeps nothing.
"use strict";
(() => {
  const SLICE = 8; // milliseconds of work before the browser may draw
  const HITS = 100; // hits that are listed at a time
  const BEFORE = 60; // characters of a snippet before the first match
  const AFTER = 160;
  const NONCE = 12;
  const TAG = 16;

  // The one form in which words are compared, whatever their case and accents.
  const fold = text => text.normalize("NFKD").replace(/\p{M}+/gu, "").toUpperCase().toLowerCase().replace(/ς/g, "σ");

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  const pause = () => new Promise(done => setTimeout(done));

  // A text folded character by character, and for each place in it the place in the text.
  const mapped = text => {
    const places = [];
    let folded = "";
    let at = 0;
    for (const character of text) {
      const piece = fold(character);
      for (let i = 0; i < piece.length; i++) places.push(at);
      folded += piece;
      at += character.length;
    }
    places.push(at);
    return { folded, places };
  };

  // Where the words stand in a text, in order, without overlaps.
  const matches = (text, words) => {
    const { folded, places } = mapped(text);
    const found = [];
    for (const word of words) {
      for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + word.length)) {
        // A character that folds to several is marked whole.
        let end = at + word.length;
        while (end < places.length - 1 && places[end] === places[end - 1]) end++;
        found.push([places[at], places[end]]);
        if (found.length > 1000) break;
      }
    }
    found.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
    const apart = [];
    for (const [start, end] of found) {
      if (!apart.length || start >= apart[apart.length - 1][1]) apart.push([start, end]);
    }
    return apart;
  };

  const wordsOf = query => [...query.matchAll(/"([^"]+)"|(\S+)/g)].map(([, phrase, word]) => fold(phrase ?? word)).filter(Boolean);

  // The text around the first match, with every match in it marked.
  const snippet = (text, words) => {
    const flat = text.replace(/\s+/g, " ").trim();
    const folded = fold(flat);
    const first = Math.min(...words.map(word => folded.indexOf(word)).filter(at => at >= 0));
    // Folding moves places by little: look at a window and find the matches in that.
    const start = Math.max(0, Math.min(first, flat.length) - 4 * BEFORE);
    const window = flat.slice(start, start + 4 * BEFORE + 4 * AFTER);
    const found = matches(window, words);
    const from = Math.max(0, (found[0]?.[0] ?? 0) - BEFORE);
    const to = Math.min(window.length, (found[0]?.[1] ?? 0) + AFTER);
    const out = make("span", { className: "snippet", dir: "auto" });
    let at = from;
    if (start + from > 0) out.append("…");
    for (const [begin, end] of found) {
      if (end > to) break;
      out.append(window.slice(at, begin), make("mark", {}, window.slice(begin, end)));
      at = end;
    }
    out.append(window.slice(at, to));
    if (start + to < flat.length) out.append("…");
    return out;
  };

  const viewer = () => {
    const bar = document.getElementById("bar");
    const main = document.querySelector("main");
    if (!bar || !main) return;
    const box = make("input", { type: "search", id: "search", placeholder: "Search", autocomplete: "off", spellcheck: false });
    box.setAttribute("aria-label", "Search all conversations");
    const counted = make("output", { id: "counted" });
    const tools = make("div", { id: "tools" }, box, counted);
    tools.setAttribute("role", "search");
    bar.append(tools);
    const list = make("ol");
    const more = make("button", { type: "button", id: "more", hidden: true });
    const results = make("section", { id: "results" }, list, more);
    results.setAttribute("aria-label", "Hits");
    main.append(results);

    let entries = null;
    let gathering = null;
    let run = 0;
    let words = [];
    let hits = [];

    // Every title and every message, folded once, when somebody first wants to search.
    const gather = () => {
      gathering ??= (async () => {
        const found = [];
        let since = performance.now();
        for (const page of document.querySelectorAll("section.page")) {
          const title = page.querySelector("h2").textContent;
          if (/^c\d+$/.test(page.id)) found.push({ id: page.id, title, folded: fold(title), element: page.querySelector("h2") });
          for (const article of page.querySelectorAll("article")) {
            const body = article.querySelector(".body");
            found.push({ id: article.id, title, folded: fold(body.textContent.replace(/\s+/g, " ")), element: body, article });
            if (performance.now() - since > SLICE) {
              await pause();
              since = performance.now();
            }
          }
        }
        entries = found;
      })();
      return gathering;
    };

    const listMore = () => {
      const shown = list.children.length;
      for (const hit of hits.slice(shown, shown + HITS)) {
        const where = [hit.title];
        if (hit.article) {
          where.push(hit.article.querySelector(".who").textContent, hit.article.querySelector("time, .time")?.textContent);
        }
        const link = make("a", { href: `#${hit.id}` },
          make("span", { className: "where", dir: "auto" }, where.filter(Boolean).join(" · ")),
          snippet(hit.element.textContent, words));
        list.append(make("li", {}, link));
      }
      const left = hits.length - list.children.length;
      more.hidden = left <= 0;
      more.textContent = `Show ${Math.min(left, HITS)} more of ${left}`;
    };

    const search = async () => {
      const mine = ++run;
      words = wordsOf(box.value);
      document.body.classList.toggle("searching", words.length > 0);
      if (!words.length) {
        counted.value = "";
        list.replaceChildren();
        more.hidden = true;
        return;
      }
      if (!entries) counted.value = "Reading…";
      await gather();
      if (mine !== run) return;
      const found = [];
      let since = performance.now();
      for (const entry of entries) {
        if (words.every(word => entry.folded.includes(word))) found.push(entry);
        if (performance.now() - since > SLICE) {
          await pause();
          if (mine !== run) return;
          since = performance.now();
        }
      }
      hits = found;
      list.replaceChildren();
      listMore();
      counted.value = hits.length === 0 ? "No hits" : hits.length === 1 ? "1 hit" : `${hits.length.toLocaleString("en")} hits`;
    };

    // Marks the words where they stand, without a change of the page.
    const mark = element => {
      if (!globalThis.Highlight || !CSS.highlights) return;
      CSS.highlights.delete("found");
      if (!element || !words.length) return;
      const ranges = [];
      const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        for (const [start, end] of matches(node.data, words)) {
          const range = new Range();
          range.setStart(node, start);
          range.setEnd(node, end);
          ranges.push(range);
        }
      }
      CSS.highlights.set("found", new Highlight(...ranges));
    };

    const go = id => {
      document.body.classList.remove("searching");
      const target = document.getElementById(id);
      if (!target) return;
      for (const details of target.querySelectorAll("details")) {
        const folded = fold(details.textContent);
        if (words.some(word => folded.includes(word))) details.open = true;
      }
      mark(target.matches("article") ? target : target.querySelector("h2"));
      // A page that is open already gets no event.
      if (location.hash === `#${id}`) target.scrollIntoView();
    };

    box.addEventListener("focus", gather, { once: true });
    box.addEventListener("focus", () => document.body.classList.toggle("searching", words.length > 0));
    box.addEventListener("input", search);
    box.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === "ArrowDown") {
        event.preventDefault();
        list.querySelector("a")?.focus();
      }
    });
    more.addEventListener("click", listMore);
    list.addEventListener("click", event => {
      const link = event.target.closest("a");
      if (link) go(link.hash.slice(1));
    });
    list.addEventListener("keydown", event => {
      const item = event.target.closest("li");
      const next = event.key === "ArrowDown" ? item?.nextElementSibling : event.key === "ArrowUp" ? item?.previousElementSibling : null;
      if (next) {
        event.preventDefault();
        next.querySelector("a").focus();
      }
    });
    addEventListener("hashchange", () => document.body.classList.remove("searching"));
    bar.querySelector("a").addEventListener("click", () => document.body.classList.remove("searching"));
    document.addEventListener("keydown", event => {
      if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest?.("input, textarea")) {
        event.preventDefault();
        box.focus();
        box.select();
      } else if (event.key === "Escape" && (box.value || document.activeElement === box)) {
        event.preventDefault();
        box.value = "";
        box.blur();
        search();
        mark(null);
      }
    });

    // What is folded on a screen is open on paper.
    let opened = [];
    addEventListener("beforeprint", () => {
      opened = [...document.querySelectorAll("details:not([open])")].filter(details => details.getClientRects().length);
      for (const details of opened) details.open = true;
    });
    addEventListener("afterprint", () => {
      for (const details of opened) details.open = false;
      opened = [];
    });
  };

  const bytesOf = {
    hex: text => Uint8Array.from(text.match(/../g) ?? [], pair => parseInt(pair, 16)),
    base64: text => Uint8Array.from(atob(text), character => character.charCodeAt(0)),
  };

  class Wrong extends Error {}

  const opened = async (sealed, passphrase) => {
    const subtle = crypto.subtle;
    const [salt, check] = [bytesOf.hex(sealed.dataset.salt), bytesOf.hex(sealed.dataset.check)];
    const iterations = Number(sealed.dataset.iterations);
    if (salt.length !== 32 || check.length !== 32 || !Number.isSafeInteger(iterations) || iterations < 1) throw new Error("its first lines are not whole");
    const raw = await subtle.importKey("raw", new TextEncoder().encode(passphrase.normalize("NFC")), "PBKDF2", false, ["deriveBits"]);
    const first = await subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations }, raw, 256);
    const k0 = await subtle.importKey("raw", first, "HKDF", false, ["deriveBits"]);
    const derived = async label => new Uint8Array(await subtle.deriveBits(
      { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: new TextEncoder().encode(label) }, k0, 256));
    const told = await derived("convault/page/1 check");
    if (told.some((byte, i) => byte !== check[i])) throw new Wrong();
    const key = await subtle.importKey("raw", await derived("convault/page/1 key"), "AES-GCM", false, ["decrypt"]);
    const chunks = sealed.content.textContent.split("\n").filter(Boolean);
    if (!chunks.length) throw new Error("nothing is in it");
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    let page = "";
    for (const [i, chunk] of chunks.entries()) {
      const nonce = new Uint8Array(NONCE);
      new DataView(nonce.buffer).setUint32(7, i);
      nonce[NONCE - 1] = i === chunks.length - 1 ? 1 : 0;
      const piece = await subtle.decrypt({ name: "AES-GCM", iv: nonce, tagLength: 8 * TAG }, key, bytesOf.base64(chunk));
      page += decoder.decode(piece, { stream: true });
    }
    return page + decoder.decode();
  };

  const lock = sealed => {
    const [form, box, reveal, open, state] = ["opener", "passphrase", "reveal", "open", "state"].map(id => document.getElementById(id));
    const say = (words, kind = "") => {
      state.textContent = words;
      state.className = kind;
    };
    form.addEventListener("submit", event => event.preventDefault());
    reveal.addEventListener("click", () => {
      const shows = box.type === "password";
      box.type = shows ? "text" : "password";
      reveal.textContent = shows ? "Hide" : "Show";
      reveal.setAttribute("aria-pressed", String(shows));
      box.focus();
    });
    if (!globalThis.crypto?.subtle) {
      for (const control of [box, reveal, open]) control.disabled = true;
      say("This browser cannot open it here: it decrypts only in a file on this machine or on a page from https. Save the page as a file, and open that with a current browser.", "bad");
      return;
    }
    box.focus();
    form.addEventListener("submit", async () => {
      if (open.disabled) return;
      for (const control of [box, reveal, open]) control.disabled = true;
      form.setAttribute("aria-busy", "true");
      say("Opening. This takes a few seconds on purpose: it makes guessing slow.", "busy");
      let page;
      try {
        page = await opened(sealed, box.value);
      } catch (error) {
        for (const control of [box, reveal, open]) control.disabled = false;
        form.removeAttribute("aria-busy");
        if (error instanceof Wrong) {
          say("Wrong passphrase.", "bad");
          box.select();
        } else {
          say("This page is damaged: a part of it was changed or is missing. Nothing of it is shown.", "bad");
        }
        box.focus();
        return;
      }
      box.value = "";
      const inner = new DOMParser().parseFromString(page, "text/html");
      document.title = inner.title;
      document.body.replaceWith(document.adoptNode(inner.body));
      viewer();
      // The browser looks for the place in the address once, before there was anything.
      const place = location.hash;
      if (place.length > 1) {
        location.replace("#");
        location.replace(place);
      }
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    const sealed = document.getElementById("sealed");
    if (sealed instanceof HTMLTemplateElement && document.body.classList.contains("locked")) lock(sealed);
    else viewer();
  });
})();
