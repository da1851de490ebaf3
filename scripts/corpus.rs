//! A reproducible ChatGPT-shaped export for benchmarks: no dependencies, the same bytes for the same size and seed.
//!
//! `rustc -O scripts/corpus.rs -o corpus && ./corpus BYTES SEED FOLDER [files] [chinese]` writes `conversations.json`, the
//! text alone as `all.txt`, and with `files` one text file for each conversation. With `chinese` the words are generated
//! Chinese ones without spaces between them, beside a little Latin text and code.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
struct R(u64);
impl R {
    fn n(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E3779B97F4A7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D049BB133111EB);
        z ^ (z >> 31)
    }
    fn f(&mut self) -> f64 {
        (self.n() >> 11) as f64 / (1u64 << 53) as f64
    }
    fn b(&mut self, m: usize) -> usize {
        ((self.n() as u128 * m as u128) >> 64) as usize
    }
    fn norm(&mut self) -> f64 {
        let (u, v) = (self.f().max(1e-12), self.f());
        (-2.0 * u.ln()).sqrt() * (6.283185307 * v).cos()
    }
    fn uuid(&mut self) -> String {
        let (a, b) = (self.n(), self.n());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffffffffffff
        )
    }
}
const COMMON: &str = "the of and to a in is you that it for on are with as i this be can or have your if from not an will by at we but use when what which there how all one so data more about using would time set like then than need other also only should do any get new into code make value file they has their user function could some want first its each these where example used way because following case type system here may number different provide between input output error list was been such same two server call create project model line name method my check help return test however ensure specific add step key change process based run work information object string most no out find while please understand consider results context application include important question query performance multiple point class current issue before after start possible without database design over variable update available message large another given table simple even both order high write directly support result approach feature team second through during learn problem better let me know thank sure course certainly great idea feel free ask further details might depends options allow access them request response memory section good show keep reading version small common until within include local several cost under main via does every below above think take per based less still main instead thread lead just many long take effect read search store word review provide general part state rate plan level power build public local key next best service customer product market price health water energy school student family child world country city home travel food recipe sugar butter minutes oven temperature degrees cup bake";
const PRE: &[&str] = &[
    "", "", "", "", "re", "un", "de", "in", "con", "pro", "pre", "inter", "trans", "sub", "over", "micro", "multi",
    "dis", "ex", "per", "ad", "en",
];
const ROOT: &[&str] = &[
    "form", "act", "port", "struct", "spect", "dict", "graph", "script", "tract", "ject", "vert", "cess", "duct",
    "fer", "gen", "lect", "log", "mand", "mit", "mov", "nect", "pend", "plic", "pos", "press", "quir", "rupt", "scrib",
    "sens", "serv", "sign", "sist", "solv", "spir", "stanc", "tain", "tempt", "tend", "terr", "test", "vent", "vid",
    "vis", "voc", "volv", "cand", "mar", "ber", "lin", "tor", "gar", "hol", "wick", "stone", "field", "brook", "ash",
    "kel", "ron", "dal", "mer", "sal", "tib", "quo", "zen", "lum", "fract", "flex", "grad", "jur", "crypt", "hydr",
    "therm", "phon", "chron", "path", "morph", "cycl", "astr", "bio", "cosm",
];
const SUF: &[&str] = &[
    "", "s", "ed", "ing", "ion", "ions", "er", "ers", "able", "ment", "ly", "al", "ive", "ity", "ness", "ful", "ize",
    "ized", "or", "ance", "ence", "ation", "ism", "ist", "ous", "y",
];
/// Words that look like Chinese. The first 3,000 characters of an issue of ruanyf/weekly have 730 different ones and 2,100
/// different neighbours, and the first 10,000 of several issues together 1,250 and 6,350; a generated conversation of
/// that length has 730 and 2,200, or 1,200 and 6,350.
struct Han {
    /// Words of two to four characters, and words of one.
    lexicon: Vec<String>,
    function: Vec<String>,
    cdf: Vec<f64>,
    fcdf: Vec<f64>,
}
impl Han {
    fn new() -> Han {
        let mut r = R(0xC0FFEE); // as for Latin words, the seed does not matter
        let mut chars: Vec<char> = (0..3500).map(|i| char::from_u32(0x4e00 + 5 * i).unwrap()).collect();
        for i in (1..chars.len()).rev() {
            chars.swap(i, r.b(i + 1))
        }
        let ccdf = zipf(chars.len(), 2.0, 225.0);
        let mut lexicon: Vec<String> = vec![];
        let mut seen = std::collections::HashSet::new();
        while lexicon.len() < 20000 {
            let k = [2, 2, 2, 2, 2, 2, 2, 3, 3, 4][r.b(10)];
            let w: String = (0..k).map(|_| chars[pick(&ccdf, &mut r)]).collect();
            if seen.insert(w.clone()) {
                lexicon.push(w)
            }
        }
        let function = chars[..800].iter().map(|c| c.to_string()).collect();
        Han { lexicon, function, cdf: zipf(20000, 1.0, 8.0), fcdf: zipf(800, 1.1, 1.0) }
    }
    fn word(&self, topic: &[u32], r: &mut R) -> &str {
        let x = r.f();
        if x < 0.36 {
            &self.function[pick(&self.fcdf, r)]
        } else if x < 0.54 {
            &self.lexicon[topic[r.b(topic.len())] as usize]
        } else {
            &self.lexicon[pick(&self.cdf, r)]
        }
    }
}
fn pick(cdf: &[f64], r: &mut R) -> usize {
    let x = r.f();
    cdf.partition_point(|c| *c < x).min(cdf.len() - 1)
}
struct G {
    r: R,
    vocab: Vec<String>,
    cdf: Vec<f64>,
    phrases: Vec<Vec<u32>>,
    pcdf: Vec<f64>,
    han: Option<Han>,
}
fn zipf(n: usize, s: f64, q: f64) -> Vec<f64> {
    let mut a = 0.0;
    let mut v: Vec<f64> = (0..n)
        .map(|i| {
            a += 1.0 / (i as f64 + q).powf(s);
            a
        })
        .collect();
    for x in v.iter_mut() {
        *x /= a
    }
    v
}
impl G {
    fn new(seed: u64, chinese: bool) -> G {
        let mut r = R(0xC0FFEE); // the vocabulary does not depend on the seed
        let mut vocab: Vec<String> = vec![];
        let mut seen = std::collections::HashSet::new();
        for w in COMMON.split(' ') {
            if seen.insert(w.to_string()) {
                vocab.push(w.to_string())
            }
        }
        while vocab.len() < 60000 {
            let mut w = String::from(PRE[r.b(PRE.len())]);
            w += ROOT[r.b(ROOT.len())];
            if vocab.len() > 3000 && r.b(3) > 0 {
                w += ROOT[r.b(ROOT.len())]
            }
            w += SUF[r.b(SUF.len())];
            if w.len() > 2 && seen.insert(w.clone()) {
                vocab.push(w)
            }
        }
        let cdf = zipf(vocab.len(), 1.07, 2.7);
        let mut g = G { r, vocab, cdf, phrases: vec![], pcdf: vec![], han: chinese.then(Han::new) };
        for _ in 0..20000 {
            let k = 2 + g.r.b(6);
            let p = (0..k).map(|_| g.widx()).collect();
            g.phrases.push(p)
        }
        g.pcdf = zipf(20000, 0.85, 10.0);
        g.r = R(seed);
        g
    }
    fn widx(&mut self) -> u32 {
        let x = self.r.f();
        self.cdf.partition_point(|c| *c < x).min(self.cdf.len() - 1) as u32
    }
    fn ident(&mut self) -> String {
        let k = 1 + self.r.b(3);
        let mut s = String::new();
        for i in 0..k {
            if i > 0 {
                s.push('_')
            }
            let w = 30 + self.r.b(4000);
            s += &self.vocab[w].clone()
        }
        s
    }
    /// What a conversation is about: a word by its number.
    fn about(&self, t: usize) -> &str {
        match &self.han {
            Some(han) => &han.lexicon[t],
            None => &self.vocab[t],
        }
    }
    fn chinese(&mut self, han: &Han, topic: &[u32], o: &mut String) {
        let n = 4 + self.r.b(18);
        for i in 0..n {
            if self.r.b(100) > 0 {
                o.push_str(han.word(topic, &mut self.r))
            } else {
                // As is usual, there are spaces around Latin words.
                let w = self.widx() as usize;
                o.push_str(&format!(" {} ", self.vocab[w]))
            }
            if i + 1 < n && self.r.b(8) == 0 {
                o.push('\u{ff0c}')
            }
        }
        o.push_str(["\u{3002}", "\u{3002}", "\u{3002}", "\u{3002}", "\u{ff1f}", "\u{ff01}", "\u{ff1a}"][self.r.b(7)])
    }
    fn sentence(&mut self, topic: &[u32], o: &mut String) {
        if let Some(han) = self.han.take() {
            self.chinese(&han, topic, o);
            self.han = Some(han);
            return;
        }
        let n = 4 + self.r.b(18);
        let mut i = 0;
        let st = o.len();
        while i < n {
            if i > 0 {
                o.push(' ')
            }
            let x = self.r.f();
            if x < 0.25 {
                let y = self.r.f();
                let p = self.pcdf.partition_point(|c| *c < y).min(19999);
                for (j, w) in self.phrases[p].iter().enumerate() {
                    if j > 0 {
                        o.push(' ')
                    }
                    o.push_str(&self.vocab[*w as usize]);
                    i += 1
                }
            } else if x < 0.38 {
                let t = topic[self.r.b(topic.len())];
                o.push_str(&self.vocab[t as usize]);
                i += 1
            } else if x < 0.985 {
                let w = self.widx();
                o.push_str(&self.vocab[w as usize]);
                i += 1
            } else {
                let v = self.r.n();
                match v % 5 {
                    0 => o.push_str(&format!("{}", v >> 50)),
                    1 => {
                        let s = self.ident();
                        o.push_str(&format!("`{}`", s))
                    }
                    2 => o.push_str(&format!("{}.{}", (v >> 40) % 90, (v >> 20) % 99)),
                    3 => {
                        let s = self.ident();
                        o.push_str(&format!("https://example.com/{}/{:x}", s, v >> 40))
                    }
                    _ => {
                        let a = self.vocab[(v >> 8) as usize % 60000].clone();
                        let mut c = a.chars();
                        let f = c.next().unwrap().to_uppercase().to_string();
                        o.push_str(&f);
                        o.push_str(c.as_str())
                    }
                }
                i += 1
            }
            if i < n && self.r.b(11) == 0 {
                o.push(',')
            }
        }
        let c = o[st..].chars().next().unwrap();
        if c.is_ascii_lowercase() {
            o.replace_range(st..st + 1, &c.to_ascii_uppercase().to_string())
        }
        o.push_str([".", ".", ".", ".", "?", "!", ":"][self.r.b(7)]);
        if self.r.b(40) == 0 {
            o.push_str(
                [
                    "\u{2019}s",
                    " \u{2014} caf\u{e9}",
                    " \u{1F680}",
                    " \u{4f60}\u{597d}",
                    " \u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}",
                ][self.r.b(5)],
            )
        }
    }
    fn code(&mut self, o: &mut String) {
        let lang = ["python", "rust", "javascript", "sql", "bash"][self.r.b(5)];
        o.push_str("```");
        o.push_str(lang);
        o.push('\n');
        let ids: Vec<String> = (0..8).map(|_| self.ident()).collect();
        let mut ind = 0usize;
        for _ in 0..(5 + self.r.b(35)) {
            let a = &ids[self.r.b(8)];
            let b = &ids[self.r.b(8)];
            let c = &ids[self.r.b(8)];
            for _ in 0..ind {
                o.push_str("    ")
            }
            match self.r.b(9) {
                0 => {
                    o.push_str(&format!("def {}({}, {}):\n", a, b, c));
                    ind = (ind + 1).min(3)
                }
                1 => {
                    o.push_str(&format!("if {} is not None and {} > {}:\n", a, b, self.r.b(1000)));
                    ind = (ind + 1).min(3)
                }
                2 => {
                    o.push_str(&format!("return {}({})\n", a, b));
                    ind = ind.saturating_sub(1)
                }
                3 => o.push_str(&format!("# {} the {} before the {}\n", a, b, c)),
                4 => o.push_str(&format!("{} = {}[\"{}\"]\n", a, b, c)),
                5 => o.push_str(&format!("print(f\"{}: {{{}}}\")\n", a, b)),
                6 => o.push_str(&format!("for {} in range(len({})):\n", a, b)),
                7 => o.push_str(&format!("{}.append({}.get(\"{}\", {}))\n", a, b, c, self.r.b(100))),
                _ => o.push_str(&format!("{} += {} * {}\n", a, b, c)),
            }
        }
        o.push_str("```\n");
    }
    fn message(&mut self, user: bool, topic: &[u32]) -> String {
        let mut o = String::new();
        let m = if user { 4.9 + 0.95 * self.r.norm() } else { 6.9 + 0.75 * self.r.norm() };
        let target = (m.exp() as usize).clamp(12, 20000);
        let code = if self.han.is_some() { 0.01 } else { 0.07 };
        while o.len() < target {
            let x = self.r.f();
            if !user && x < code {
                o.push_str("\n");
                self.code(&mut o)
            } else if !user && (0.07..0.12).contains(&x) {
                for i in 0..(3 + self.r.b(4)) {
                    o.push_str(&format!("\n{}. **", i + 1));
                    let t = topic[self.r.b(topic.len())] as usize;
                    o.push_str(self.about(t));
                    o.push_str("**: ");
                    self.sentence(topic, &mut o)
                }
                o.push_str("\n\n")
            } else if !user && (0.12..0.14).contains(&x) {
                o.push_str("\n\n### ");
                let t = topic[self.r.b(topic.len())] as usize;
                o.push_str(self.about(t));
                o.push('\n')
            } else {
                self.sentence(topic, &mut o);
                let space = if self.han.is_some() { "" } else { " " };
                o.push_str(if self.r.b(5) == 0 { "\n\n" } else { space })
            }
        }
        o
    }
}
fn esc(s: &str, o: &mut String) {
    for c in s.chars() {
        match c {
            '"' => o.push_str("\\\""),
            '\\' => o.push_str("\\\\"),
            '\n' => o.push_str("\\n"),
            '\t' => o.push_str("\\t"),
            c if (c as u32) < 0x20 => o.push_str(&format!("\\u{:04x}", c as u32)),
            c if c.is_ascii() => o.push(c),
            c => {
                let mut b = [0u16; 2];
                for u in c.encode_utf16(&mut b) {
                    o.push_str(&format!("\\u{:04x}", u))
                }
            }
        }
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let bytes: u64 = a[1].parse().unwrap();
    let seed: u64 = a[2].parse().unwrap();
    let dir = &a[3];
    let has = |w: &str| a[4..].iter().any(|s| s == w);
    let (files, chinese) = (has("files"), has("chinese"));
    fs::create_dir_all(dir).unwrap();
    let w = |n: &str| BufWriter::with_capacity(1 << 20, File::create(format!("{}/{}", dir, n)).unwrap());
    let (mut js, mut tx, mut ti) = (w("conversations.json"), w("all.txt"), w("titles.txt"));
    let mut g = G::new(seed, chinese);
    let mut written = 1u64;
    let mut n = 0usize;
    let mut msgs = 0usize;
    let mut tbytes = 0u64;
    js.write_all(b"[").unwrap();
    while written < bytes {
        let nt = 8 + g.r.b(20);
        let topic: Vec<u32> = (0..nt)
            .map(|_| {
                let z = 200 + g.r.b(8000);
                z as u32
            })
            .collect();
        let mut title = String::new();
        for i in 0..(2 + g.r.b(4)) {
            if i > 0 && !chinese {
                title.push(' ')
            }
            let t = topic[g.r.b(nt)] as usize;
            title += g.about(t)
        }
        let nm = 10 + g.r.b(51);
        let t0 = 1672531200.0 + (n as f64) * 3600.0 * 1.5;
        let cid = g.r.uuid();
        let mut o = String::with_capacity(200000);
        let mut text = String::with_capacity(100000);
        if n > 0 {
            o.push_str(", ")
        }
        o.push_str("{\"title\": \"");
        esc(&title, &mut o);
        o.push_str(&format!(
            "\", \"create_time\": {:.6}, \"update_time\": {:.6}, \"mapping\": {{",
            t0,
            t0 + nm as f64 * 40.0
        ));
        let ids: Vec<String> = (0..nm + 1).map(|_| g.r.uuid()).collect();
        o.push_str(&format!(
            "\"{0}\": {{\"id\": \"{0}\", \"message\": null, \"parent\": null, \"children\": [\"{1}\"]}}",
            ids[0], ids[1]
        ));
        for i in 1..=nm {
            let user = i % 2 == 1;
            let mut m = g.message(user, &topic);
            if i == 4 && n % 5000 == 7 {
                m.push_str(" The Zyzzyvaquark incident happened here.")
            }
            let ch = if i < nm { format!("[\"{}\"]", ids[i + 1]) } else { "[]".into() };
            let role = if user { "user" } else { "assistant" };
            o.push_str(&format!(", \"{0}\": {{\"id\": \"{0}\", \"message\": {{\"id\": \"{0}\", \"author\": {{\"role\": \"{1}\", \"name\": null, \"metadata\": {{}}}}, \"create_time\": {2:.6}, \"update_time\": null, \"content\": {{\"content_type\": \"text\", \"parts\": [\"", ids[i], role, t0 + i as f64 * 40.0 + g.r.f()));
            esc(&m, &mut o);
            let rid = g.r.uuid();
            if user {
                o.push_str(&format!("\"]}}, \"status\": \"finished_successfully\", \"end_turn\": null, \"weight\": 1.0, \"metadata\": {{\"request_id\": \"{}\", \"timestamp_\": \"absolute\", \"message_type\": null}}, \"recipient\": \"all\", \"channel\": null}}, \"parent\": \"{}\", \"children\": {}}}", rid, ids[i - 1], ch))
            } else {
                o.push_str(&format!("\"]}}, \"status\": \"finished_successfully\", \"end_turn\": true, \"weight\": 1.0, \"metadata\": {{\"finish_details\": {{\"type\": \"stop\", \"stop_tokens\": [200002]}}, \"is_complete\": true, \"citations\": [], \"content_references\": [], \"message_type\": null, \"model_slug\": \"gpt-4o\", \"default_model_slug\": \"auto\", \"parent_id\": \"{1}\", \"request_id\": \"{0}\", \"timestamp_\": \"absolute\"}}, \"recipient\": \"all\", \"channel\": null}}, \"parent\": \"{1}\", \"children\": {2}}}", rid, ids[i - 1], ch))
            }
            text.push_str(if user { "## user\n" } else { "## assistant\n" });
            text.push_str(&m);
            text.push('\n');
        }
        o.push_str(&format!("}}, \"moderation_results\": [], \"current_node\": \"{}\", \"plugin_ids\": null, \"conversation_id\": \"{1}\", \"conversation_template_id\": null, \"gizmo_id\": null, \"is_archived\": false, \"safe_urls\": [], \"default_model_slug\": \"auto\", \"id\": \"{1}\"}}", ids[nm], cid));
        js.write_all(o.as_bytes()).unwrap();
        written += o.len() as u64;
        tx.write_all(text.as_bytes()).unwrap();
        tbytes += text.len() as u64;
        writeln!(ti, "{}\t{}\t{}", n, t0, title).unwrap();
        if files {
            let d = format!("{}/txt/{:03}", dir, n / 200);
            if n % 200 == 0 {
                fs::create_dir_all(&d).unwrap()
            }
            fs::write(format!("{}/{:06}.txt", d, n), format!("# {}\n{}", title, text)).unwrap()
        }
        n += 1;
        msgs += nm;
    }
    js.write_all(b"]").unwrap();
    println!("seed {} conversations {} messages {} json_bytes {} text_bytes {}", seed, n, msgs, written + 1, tbytes);
}
