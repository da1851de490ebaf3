//! Work spread over all cores, in bounded memory: one reads, the others open.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

/// Runs `work` over what `produce` sends, on all cores; what each has made, in no order.
///
/// `start` makes what a thread keeps from one piece of work to the next.
pub(super) fn spread<B: Send, S, T: Send, E>(
    produce: impl FnOnce(&mut dyn FnMut(B)) -> Result<(), E>,
    start: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, B, &mut Vec<T>) + Sync,
) -> Result<Vec<T>, E> {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
    let (send, receive) = sync_channel::<B>(2 * threads);
    let receive = Arc::new(Mutex::new(receive));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (receive, start, work) = (Arc::clone(&receive), &start, &work);
                scope.spawn(move || {
                    let (mut state, mut made) = (start(), Vec::new());
                    loop {
                        let batch = receive.lock().ok().and_then(|receive| receive.recv().ok());
                        let Some(batch) = batch else { return made };
                        work(&mut state, batch, &mut made);
                    }
                })
            })
            .collect();
        // Only the workers have it, so that sending to none of them fails and does not wait.
        drop(receive);
        let failure = produce(&mut |batch| drop(send.send(batch))).err();
        drop(send);
        let made = workers.into_iter().flat_map(|worker| worker.join().expect("workers do not panic")).collect();
        failure.map_or(Ok(made), Err)
    })
}
