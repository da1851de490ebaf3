//! A bar for an import, on a terminal only.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::session::Session;
use crate::bundle::Bundle;
use crate::ingest::Progress;

/// How often the bar is drawn.
const REDRAW: Duration = Duration::from_millis(100);

/// An import's progress, drawn until dropped.
pub(super) struct Meter {
    pub(super) progress: Arc<Progress>,
    ended: Arc<AtomicBool>,
    drawing: Option<JoinHandle<()>>,
}

impl Meter {
    pub(super) fn start(session: &Session, bundle: &Bundle, path: &Path) -> Self {
        let progress: Arc<Progress> = Arc::default();
        let ended: Arc<AtomicBool> = Arc::default();
        let shown = !session.global.quiet && !session.global.json && std::io::stderr().is_terminal();
        let drawing = shown.then(|| {
            // A hint: a zip declares sizes, and not all members are conversations.
            let total = bundle.members().iter().filter_map(|member| member.size_declared).sum();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = super::terminal::fit(&name, 30);
            let (progress, ended) = (Arc::clone(&progress), Arc::clone(&ended));
            std::thread::spawn(move || draw(total, name, &progress, &ended))
        });
        Self { progress, ended, drawing }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(drawing) = self.drawing.take() {
            drawing.thread().unpark();
            let _ = drawing.join();
        }
    }
}

fn draw(total: u64, name: String, progress: &Progress, ended: &AtomicBool) {
    let bar = ProgressBar::new(total);
    let template = "{prefix} {wide_bar} {bytes}/{total_bytes} {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(name);
    while !ended.load(Ordering::Relaxed) {
        bar.set_position(progress.bytes.load(Ordering::Relaxed));
        bar.set_message(format!("{} conversations", progress.conversations.load(Ordering::Relaxed)));
        std::thread::park_timeout(REDRAW);
    }
    bar.finish_and_clear();
}
