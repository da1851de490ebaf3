//! Writes a sample of the page and of the page that opens itself, for `scripts/page`: `cargo run --example page FOLDER [MESSAGES]`.

use std::io::Write;

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use convault::clock::Instant;
use convault::conversation::{Attachment, Conversation, Message, Part, PartKind, Participant, Role, SourceTime};
use convault::export::html::Html;
use convault::export::html::sealed::{Parameters, Shell};
use convault::export::markdown::Markdown;
use convault::export::{Exporter, Given, Listed};

const PASSPHRASE: &str = "correct horse battery staple";
const ITERATIONS: u32 = 1_000_000;
const PIECE: usize = 1 << 20;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = std::path::PathBuf::from(arguments.next().expect("a folder"));
    let many = arguments.next().map_or(2300, |number| number.parse().expect("a number"));
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let conversations = [trip(), session(), long(many)];
    for (name, exporter) in [("plain.html", &Html as &dyn Exporter), ("plain.md", &Markdown)] {
        std::fs::write(folder.join(name), exported(exporter, &conversations)).expect("it can be written");
    }
    std::fs::write(folder.join("single.html"), exported(&Html, &conversations[..1])).expect("it can be written");
    std::fs::write(folder.join("sealed.html"), sealed(&exported(&Html, &conversations))).expect("it can be written");
}

fn exported(exporter: &dyn Exporter, conversations: &[(Conversation, Vec<bool>)]) -> Vec<u8> {
    let listed: Vec<Listed> = conversations
        .iter()
        .map(|(conversation, _)| Listed {
            title: conversation.title.clone().unwrap_or_default(),
            source: "chatgpt".to_owned(),
            created: conversation.first_activity().expect("a time"),
            last_activity: conversation.last_activity().expect("a time"),
            messages: conversation.messages.len() as u64,
        })
        .collect();
    let mut out = Vec::new();
    exporter.begin(&listed, &mut out).expect("memory");
    let tags = ["travel".to_owned(), "2025".to_owned()];
    for (place, (conversation, shown)) in conversations.iter().enumerate() {
        let tags = if place == 0 { &tags[..] } else { &[] };
        let given = Given { place, listed: &listed[place], conversation, tags, shown };
        let mut files = |index: u32, sink: &mut dyn FnMut(&[u8]) -> std::io::Result<()>| match index {
            0 => sink(&picture()),
            _ => sink(b"Train 08:02 Zurich HB"),
        };
        exporter.conversation(&given, &mut files, &mut out).expect("memory");
    }
    exporter.end(&mut out).expect("memory");
    let (before, after) = exporter.frame();
    write!(out, "{before}{{\"schema\":\"convault.manifest/1\"}}{after}").expect("memory");
    out
}

/// Sealed as docs/export.md says, without the program's own code.
fn sealed(page: &[u8]) -> Vec<u8> {
    let salt = [7; 32];
    let mut k0 = [0; 32];
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(PASSPHRASE.as_bytes(), &salt, ITERATIONS, &mut k0);
    let derived = |label: &str| {
        let mut out = [0; 32];
        hkdf::Hkdf::<sha2::Sha256>::new(None, &k0).expand(label.as_bytes(), &mut out).expect("32 bytes");
        out
    };
    let parameters = Parameters { salt, check: derived("convault/page/1 check"), iterations: ITERATIONS };
    let cipher = Aes256Gcm::new(&derived("convault/page/1 key").into());
    let mut out = Shell::begin(&parameters);
    let pieces = page.chunks(PIECE).count();
    for (index, piece) in page.chunks(PIECE).enumerate() {
        let mut nonce = [0; 12];
        nonce[7..11].copy_from_slice(&u32::try_from(index).expect("few").to_be_bytes());
        nonce[11] = u8::from(index + 1 == pieces);
        out.push_str(&Shell::chunk(&cipher.encrypt(&Nonce::from(nonce), piece).expect("it seals")));
    }
    out.push_str(Shell::END);
    out.into_bytes()
}

fn start(title: &str) -> Conversation {
    let participants = [Role::User, Role::Assistant].map(|role| Participant { role, ..Participant::default() });
    Conversation { title: Some(title.to_owned()), participants: participants.to_vec(), ..Conversation::default() }
}

fn say(conversation: &mut Conversation, author: u32, parts: &[(PartKind, Option<&str>, &str)]) {
    let parts = parts
        .iter()
        .map(|(kind, name, text)| Part {
            kind: *kind,
            text: conversation.push_text(text),
            name: (*kind != PartKind::Citation).then_some(*name).flatten().map(str::to_owned),
            url: (*kind == PartKind::Citation).then_some(*name).flatten().map(str::to_owned),
            ..Part::default()
        })
        .collect();
    let minute = conversation.messages.len() as i64;
    let at = Instant(1_760_190_000_000_000 + minute * 97_000_000);
    let time = Some(SourceTime { text: String::new(), at: Some(at) });
    let model = (author == 1).then(|| "gpt-5".to_owned());
    conversation.messages.push(Message { author, parts, time, model, ..Message::default() });
}

fn attach(conversation: &mut Conversation, author: u32, name: &str, media_type: &str, size: u64, caption: &str) {
    say(conversation, author, &[(PartKind::Attachment, None, caption)]);
    let index = conversation.attachments.len() as u32;
    let objects = (size < 1 << 24).then_some((index, 1));
    conversation.attachments.push(Attachment {
        name: Some(name.to_owned()),
        media_type: Some(media_type.to_owned()),
        size: Some(size),
        objects,
        ..Attachment::default()
    });
    conversation.messages.last_mut().expect("just added").parts[0].attachment = Some(index);
}

fn trip() -> (Conversation, Vec<bool>) {
    let mut c = start("A week in the Engadin, by train and on foot");
    say(
        &mut c,
        0,
        &[(
            PartKind::Text,
            None,
            "We have seven days in September, no car, and one of us has a bad knee.\nWhere would you stay?\n\nBudget: about CHF 180 a night.",
        )],
    );
    say(
        &mut c,
        1,
        &[
            (
                PartKind::Thinking,
                None,
                "They need *short* walks and good trains. Samedan is a junction; Pontresina is prettier. September: Morteratsch is flat.",
            ),
            (
                PartKind::ToolCall,
                Some("search"),
                "{\"query\": \"Pontresina hotel September knee friendly walks\", \"limit\": 5}",
            ),
            (PartKind::ToolResult, Some("search"), "1. Pontresina, Hotel Garni …\n2. Samedan, Alte Brauerei …"),
            (
                PartKind::Text,
                None,
                "Stay in **Pontresina**: trains go every half hour, and three of the flattest walks of the valley begin at the station.\n\n## Three days to begin with\n\n1. *Morteratsch* – 40 minutes, almost flat, to the foot of the glacier. The path is wide and has signs that show where the ice stood in each decade.\n2. *Lej da Staz* – through stone pines to a warm lake\n   - swim before noon\n   - the restaurant closes at 18:00\n3. *Muottas Muragl* – the funicular does the climbing\n\n| Day | Train | Walk | Height |\n|---|---|---|---:|\n| 1 | 09:02 | 3.1 km | +90 m |\n| 2 | 10:32 | 4.4 km | +60 m |\n| 3 | 08:47 | 2.0 km | +35 m |\n\n> In late September check whether the funicular is in revision.\n\nThe [timetable](https://www.rhb.ch/en/timetable?from=pontresina&to=morteratsch&date=2025-09-14&time=09%3A00&lang=en) has the rest; see also https://www.engadin.ch/en/.",
            ),
            (PartKind::Citation, Some("https://www.pontresina.ch/en/walks"), "Walks around Pontresina"),
            (PartKind::Citation, Some("javascript:alert(1)"), "A source that must not run"),
        ],
    );
    attach(&mut c, 0, "view from the hut.png", "image/png", 9000, "This is where we were last year. Is it far?");
    say(
        &mut c,
        1,
        &[(
            PartKind::Text,
            None,
            "That looks like the **Tschierva hut**. To compare elevations in code:\n\n```python\nimport statistics\n\nheights = {\"Pontresina\": 1805, \"Tschierva\": 2584, \"Muottas Muragl\": 2454}\nprint(f\"median height of the places that were named: {statistics.median(heights.values()):.0f} m above the sea\")  # a line that is longer than the page is wide\n```\n\nThe `gain` is 779 m, too much for the knee. ~~Take the carriage~~ The horse carriage goes as far as *Val Roseg*.",
        )],
    );
    attach(&mut c, 0, "tickets.ics", "text/calendar", 412, "");
    attach(&mut c, 0, "walk.mov", "video/quicktime", 734_003_200, "");
    say(
        &mut c,
        0,
        &[(PartKind::Text, None, "Danke! Und für Zürich → Pontresina: ist die Strecke über den Albula schöner?")],
    );
    say(&mut c, 1, &[(PartKind::Text, None, "Ja, deutlich: Landwasserviadukt, Kehrtunnel, Bergün. Rechts sitzen.")]);
    say(&mut c, 0, &[(PartKind::Text, None, "ومتى يفتح القطار الجبلي؟")]);
    say(&mut c, 1, &[(PartKind::Text, None, "يفتح **يوميًا** من الساعة 7:45 حتى 23:00 في شهر سبتمبر.")]);
    let mut shown = vec![true; c.messages.len()];
    shown[4] = false;
    (c, shown)
}

fn session() -> (Conversation, Vec<bool>) {
    let mut c = start("Why is the importer slow on large zips?");
    c.participants[0].name = Some("Anna".to_owned());
    c.participants[1].name = Some("Claude".to_owned());
    say(
        &mut c,
        0,
        &[(PartKind::Text, None, "the import of a 2 GB zip takes four minutes. profile it? <script>alert(1)</script>")],
    );
    say(
        &mut c,
        1,
        &[
            (PartKind::ToolCall, Some("Bash"), "perf record -g target/release/convault import big.zip"),
            (
                PartKind::ToolResult,
                Some("Bash"),
                "Samples: 48K of event 'cycles'\n 61.2%  convault  inflate_fast\n 18.9%  convault  memchr::find",
            ),
            (PartKind::Document, Some("notes.md"), "# Findings\n\n- 61 % in inflate\n- one core only"),
            (
                PartKind::Text,
                None,
                "Most of the time goes into one thread that inflates. Members are independent, so it can be spread over all cores.",
            ),
        ],
    );
    let shown = vec![true; c.messages.len()];
    (c, shown)
}

fn long(messages: usize) -> (Conversation, Vec<bool>) {
    let mut c = start("Everything about stone pines");
    for number in 0..messages {
        let text = format!(
            "Message number {}: the stone pine grows slowly, and {} years are no age for it. {}",
            number + 1,
            number * 7 % 900,
            "Its seeds are spread by a bird. ".repeat(number % 9)
        );
        say(&mut c, number as u32 % 2, &[(PartKind::Text, None, &text)]);
    }
    let shown = vec![true; c.messages.len()];
    (c, shown)
}

/// A picture with a sky, written without a library.
fn picture() -> Vec<u8> {
    let (width, height) = (480_u32, 200_u32);
    let mut raw = Vec::new();
    for y in 0..height {
        raw.push(0);
        for x in 0..width {
            let ridge = 120.0 + 30.0 * (f64::from(x) / 47.0).sin() + 14.0 * (f64::from(x) / 13.0).sin();
            let sky = [120 + (y / 3) as u8, 160 + (y / 4) as u8, 210];
            raw.extend_from_slice(if f64::from(y) > ridge { &[62, 84, 78] } else { &sky });
        }
    }
    let mut deflated = vec![0x78, 0x01];
    let blocks = raw.chunks(65535).count();
    for (index, block) in raw.chunks(65535).enumerate() {
        let length = block.len() as u16;
        deflated.push(u8::from(index + 1 == blocks));
        deflated.extend_from_slice(&length.to_le_bytes());
        deflated.extend_from_slice(&(!length).to_le_bytes());
        deflated.extend_from_slice(block);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in &raw {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    deflated.extend_from_slice(&(b << 16 | a).to_be_bytes());
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    for (kind, data) in [(b"IHDR", header), (b"IDAT", deflated), (b"IEND", Vec::new())] {
        png.extend_from_slice(&(data.len() as u32).to_be_bytes());
        let body = [&kind[..], &data].concat();
        png.extend_from_slice(&body);
        let crc = !body.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        });
        png.extend_from_slice(&crc.to_be_bytes());
    }
    png
}
