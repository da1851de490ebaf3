//! Threads of an import: one splits, all cores work, and the caller's thread takes the results.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};

use super::budget::Budget;
use super::{IngestError, Progress};
use crate::bundle::Bundle;
use crate::import::{Context, Importer, Problem, Unit};

/// Source bytes under way at once. One larger conversation goes through alone.
const UNDER_WAY: usize = 4 << 20;

/// Splits on one thread, runs `work` over units on all cores, and hands results to `take` on this one.
///
/// `work` is made once for each thread, and is given a way to hand over results before it ends.
/// Results come in any order. An error of `take` ends everything.
pub(super) fn run<T: Send, W>(
    bundle: &Bundle,
    importer: &dyn Importer,
    context: &Context,
    progress: &Progress,
    worker: impl Fn(std::sync::mpsc::SyncSender<Result<T, Problem>>) -> W + Sync,
    mut take: impl FnMut(Result<T, Problem>) -> Result<(), IngestError>,
) -> Result<(), IngestError>
where
    W: FnMut(Unit) -> Result<T, Problem>,
{
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
    let budget = Budget::new(UNDER_WAY);
    let (unit_in, unit_out) = sync_channel::<Unit>(2 * threads);
    let unit_out = Mutex::new(unit_out);
    let (result_in, result_out) = sync_channel::<Result<T, Problem>>(2 * threads);
    std::thread::scope(|scope| {
        let (budget, worker, unit_out) = (&budget, &worker, &unit_out);
        let problems = result_in.clone();
        let splitter = scope.spawn(move || {
            let result = importer.split(bundle, context, &mut |emitted| {
                if progress.stop.load(Ordering::Relaxed) {
                    return ControlFlow::Break(());
                }
                let sent = match emitted {
                    Ok(unit) => {
                        progress.bytes.fetch_add(unit.bytes.len() as u64, Ordering::Relaxed);
                        budget.take(unit.bytes.len());
                        unit_in.send(unit).is_ok()
                    }
                    Err(problem) => problems.send(Err(problem)).is_ok(),
                };
                if sent { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            drop(unit_in);
            result
        });
        for _ in 0..threads {
            let results = result_in.clone();
            scope.spawn(move || {
                let mut work = worker(results.clone());
                while let Some(unit) = next(unit_out) {
                    let size = unit.bytes.len();
                    let result = work(unit);
                    budget.give(size);
                    if results.send(result).is_err() {
                        // Nobody takes results any more: let the splitter and the others run dry.
                        while let Some(unit) = next(unit_out) {
                            budget.give(unit.bytes.len());
                        }
                        return;
                    }
                }
            });
        }
        drop(result_in);
        let mut failure = None;
        for result in &result_out {
            if let Err(error) = take(result) {
                failure = Some(error);
                break;
            }
            if progress.stop.load(Ordering::Relaxed) {
                failure = Some(IngestError::Interrupted);
                break;
            }
        }
        if failure.is_some() {
            progress.stop.store(true, Ordering::Relaxed);
        }
        drop(result_out);
        let split = splitter.join().expect("a splitter does not panic");
        match failure {
            Some(failure) => Err(failure),
            None if progress.stop.load(Ordering::Relaxed) => Err(IngestError::Interrupted),
            None => Ok(split?),
        }
    })
}

fn next(units: &Mutex<Receiver<Unit>>) -> Option<Unit> {
    units.lock().ok()?.recv().ok()
}
