//! Writes session logs in the shape of Claude Code's, reproducibly: `sessions FOLDER COUNT KIB_EACH SEED`.
//!
//! Compile with `rustc -O scripts/sessions.rs -o sessions`. Made-up words, tool calls and results; 20 projects.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn words(&mut self, count: u64) -> String {
        let mut text = String::new();
        for _ in 0..count {
            // Short words often, as in a language.
            let rank = self.next() % (1 + self.next() % 5000);
            let _ = write!(text, "w{rank:x} ");
        }
        text.pop();
        text
    }
}

fn id(kind: u64, number: u64) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, count, kib, seed] = arguments.as_slice() else {
        eprintln!("usage: sessions FOLDER COUNT KIB_EACH SEED");
        std::process::exit(2);
    };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let (count, size, mut sequence) = (number(count), number(kib) << 10, Sequence(number(seed)));
    let mut total = 0;
    for session in 0..count {
        let project = Path::new(folder).join(format!("-home-someone-project-{}", session % 20));
        fs::create_dir_all(&project).expect("a folder");
        let name = id(1, session);
        let mut log = String::new();
        let mut parent = String::from("null");
        let mut line = 0;
        while (log.len() as u64) < size {
            let uuid = id(2, session << 20 | line);
            let common = format!(
                r#""parentUuid":{parent},"isSidechain":false,"userType":"external","cwd":"/home/someone/project","sessionId":"{name}","version":"2.0.0","gitBranch":"main","uuid":"{uuid}","timestamp":"2026-03-{:02}T{:02}:{:02}:{:02}.000Z""#,
                1 + session % 28,
                line / 3600 % 24,
                line / 60 % 60,
                line % 60
            );
            let call = format!("toolu_{session:x}_{:x}", line / 4);
            let (kind, message) = match line % 4 {
                0 => ("user", format!(r#"{{"role":"user","content":"{}"}}"#, sequence.words(30))),
                1 => (
                    "assistant",
                    format!(
                        r#"{{"id":"msg_{session:x}_{line:x}","type":"message","role":"assistant","model":"claude-sonnet-4","content":[{{"type":"text","text":"{}\n\n{}"}}],"stop_reason":null,"usage":{{"input_tokens":{line},"output_tokens":7}}}}"#,
                        sequence.words(80),
                        sequence.words(40)
                    ),
                ),
                2 => (
                    "assistant",
                    format!(
                        r#"{{"id":"msg_{session:x}_{:x}","type":"message","role":"assistant","model":"claude-sonnet-4","content":[{{"type":"tool_use","id":"{call}","name":"Bash","input":{{"command":"{}"}}}}],"stop_reason":"tool_use","usage":{{"input_tokens":{line},"output_tokens":7}}}}"#,
                        line - 1,
                        sequence.words(8)
                    ),
                ),
                _ => (
                    "user",
                    format!(
                        r#"{{"role":"user","content":[{{"tool_use_id":"{call}","type":"tool_result","content":"{}","is_error":false}}]}}"#,
                        sequence.words(150)
                    ),
                ),
            };
            let _ = writeln!(log, r#"{{{common},"type":"{kind}","message":{message}}}"#);
            parent = format!("\"{uuid}\"");
            line += 1;
        }
        total += log.len();
        fs::write(project.join(format!("{name}.jsonl")), log).expect("written");
    }
    println!("{count} sessions, {total} bytes");
}
