//! Threads of an import: one splits, all cores work, and the caller's thread takes the results.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::budget::Budget;
use super::{IngestError, Progress};
use crate::bundle::Bundle;
use crate::import::{Context, Importer, Problem, Unit};

/// Source bytes under way at once. One larger conversation goes through alone.
const UNDER_WAY: usize = 4 << 20;

/// Source bytes handed over at once: a wake-up for every conversation costs more than reading it.
const BATCH: usize = 256 << 10;

/// Results on their way to the caller's thread.
pub(super) type Results<T> = SyncSender<Vec<Result<T, Problem>>>;

/// Splits on one thread, runs `work` over units on all cores, and hands results to `take` on this one.
///
/// `work` is made once for each thread, and is given a way to hand over results before it ends.
/// Results come in any order. An error of `take` ends everything.
pub(super) fn run<T: Send, W>(
    bundle: &Bundle,
    importer: &dyn Importer,
    context: &Context,
    progress: &Progress,
    worker: impl Fn(Results<T>) -> W + Sync,
    mut take: impl FnMut(Result<T, Problem>) -> Result<(), IngestError>,
) -> Result<(), IngestError>
where
    W: FnMut(Unit) -> Result<T, Problem>,
{
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
    let budget = Budget::new(UNDER_WAY);
    let (unit_in, unit_out) = sync_channel::<Vec<Unit>>(2 * threads);
    let unit_out = Mutex::new(unit_out);
    let (result_in, result_out) = sync_channel(2 * threads);
    std::thread::scope(|scope| {
        let (budget, worker, unit_out) = (&budget, &worker, &unit_out);
        let problems = result_in.clone();
        let splitter = scope.spawn(move || {
            let mut batch = Vec::new();
            let mut bytes = 0;
            let mut number = 0;
            let send = |batch: &mut Vec<Unit>, bytes: &mut usize| {
                budget.take(std::mem::take(bytes));
                unit_in.send(std::mem::take(batch)).is_ok()
            };
            let result = importer.split(bundle, context, &mut |emitted| {
                if progress.stop.load(Ordering::Relaxed) {
                    return ControlFlow::Break(());
                }
                let goes_on = match emitted {
                    Ok(mut unit) => {
                        unit.number = number;
                        number += 1;
                        progress.bytes.fetch_add(unit.bytes.len() as u64, Ordering::Relaxed);
                        bytes += unit.bytes.len();
                        batch.push(unit);
                        bytes < BATCH || send(&mut batch, &mut bytes)
                    }
                    Err(problem) => problems.send(vec![Err(problem)]).is_ok(),
                };
                if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            send(&mut batch, &mut bytes);
            drop(unit_in);
            result
        });
        for _ in 0..threads {
            let results = result_in.clone();
            scope.spawn(move || {
                let mut work = worker(results.clone());
                let mut wanted = true;
                let mut panicked = None;
                // When nobody takes results any more, or `work` panics, the splitter still has to run dry.
                while let Some(batch) = next(unit_out) {
                    // Given back at the end of every round, however it ends: the splitter may wait for it.
                    let _given = budget.given_back(batch.iter().map(|unit| unit.bytes.len()).sum());
                    if wanted {
                        let done = || batch.into_iter().map(&mut work).collect();
                        wanted = match catch_unwind(AssertUnwindSafe(done)) {
                            Ok(done) => results.send(done).is_ok(),
                            Err(cause) => {
                                progress.stop.store(true, Ordering::Relaxed);
                                panicked = Some(cause);
                                false
                            }
                        };
                    }
                }
                if let Some(cause) = panicked {
                    resume_unwind(cause);
                }
            });
        }
        drop(result_in);
        let mut failure = None;
        for result in result_out.iter().flatten() {
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

fn next(units: &Mutex<Receiver<Vec<Unit>>>) -> Option<Vec<Unit>> {
    units.lock().ok()?.recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::by_name;

    #[test]
    fn workers_that_panic_end_the_import_and_do_not_hang_it() {
        let one = format!(r#"{{"id":"1","title":"{}","mapping":{{}},"current_node":null}}"#, "t".repeat(1 << 20));
        let json = format!("[{}]", vec![one; 40].join(","));
        let bundle = Bundle::from_bytes("c.json", json.into_bytes()).unwrap();
        let importer = by_name("chatgpt").unwrap();
        let context = importer.prepare(&bundle).unwrap();
        let worker = |_: Results<()>| |_: Unit| -> Result<(), Problem> { panic!("as a parser might") };
        let run = || run(&bundle, importer, &context, &Progress::default(), worker, |_| Ok(()));
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    }
}
