//! Whole segments opened by all cores and handed on in order, in bounded memory.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Mutex};

use super::access::CanRead;
use super::content::Body;
use super::items::{Depth, Rows, at, rows_of};
use super::{Damage, Entry, Vault, VaultError};
use crate::crypto::Digest;
use crate::keyring::Walker;

/// Groups that may be under way at once, and bytes of them: of what the source had, or sealed where that is more. What is
/// made of them is a few times as large.
const MOST_GROUPS: usize = 64;
const MOST_BYTES: usize = 8 << 20;

/// A segment, opened.
pub struct Opened {
    /// All of it but its attachments.
    pub body: Body,
    /// From which the salts of its messages follow in exports.
    pub disclosure: Digest,
}

fn open<A: CanRead>(keys: &A, walker: &mut Walker<'_>, rows: &Rows) -> Result<Opened, VaultError> {
    let opener = rows.opener(keys.facts(), walker)?;
    let content = opener.content(keys.read(), &rows.read_share)?;
    let body = Body::decode(&content.body(&rows.body)?).map_err(|_| Damage::Record("body"))?;
    Ok(Opened { body, disclosure: content.disclosure() })
}

impl<A: CanRead> Vault<A> {
    /// Opens the segments of each group, lets `work` make something of them on any core, and gives that to `each` in the
    /// order of the groups. The first failure ends it.
    pub fn each_group<T: Send, E: From<VaultError>>(
        &self,
        groups: &[&[Entry]],
        work: impl Fn(usize, Vec<Opened>) -> T + Sync,
        mut each: impl FnMut(usize, T) -> Result<(), E>,
    ) -> Result<(), E> {
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
        let (keys, frontier, work) = (&self.keys, &self.frontier, &work);
        std::thread::scope(|scope| {
            // In here, so that a failure closes it and the workers end.
            let (send, receive) = sync_channel::<(usize, Vec<Rows>)>(MOST_GROUPS);
            let receive = Arc::new(Mutex::new(receive));
            let (done, made) = channel();
            for _ in 0..threads {
                let (done, receive) = (done.clone(), Arc::clone(&receive));
                scope.spawn(move || {
                    let mut walker = frontier.walker();
                    loop {
                        let given = receive.lock().ok().and_then(|receive| receive.recv().ok());
                        let Some((number, rows)) = given else { return };
                        let open = |rows: &Rows| open(keys, &mut walker, rows).map_err(|error| at(rows.leaf, error));
                        let make = || {
                            let opened: Result<Vec<Opened>, VaultError> = rows.iter().map(open).collect();
                            opened.map(|opened| work(number, opened))
                        };
                        // Whoever waits for it has to hear of it.
                        let made = catch_unwind(AssertUnwindSafe(make));
                        let made = made.unwrap_or(Err(VaultError::Refused("a worker has ended")));
                        // Nobody waits for it any more when another one failed.
                        if done.send((number, made)).is_err() {
                            return;
                        }
                    }
                });
            }
            let mut waiting = BTreeMap::new();
            let mut sizes = BTreeMap::new();
            let (mut next, mut bytes) = (0, 0);
            for number in 0..groups.len() {
                while next < groups.len() && (sizes.is_empty() || sizes.len() < MOST_GROUPS && bytes < MOST_BYTES) {
                    let rows = groups[next].iter().map(|entry| rows_of(&self.store, entry.leaf, Depth::Body));
                    let rows = rows.collect::<Result<Vec<Rows>, _>>().map_err(VaultError::from)?;
                    let sealed: usize = rows.iter().map(Rows::size).sum();
                    let plain: u64 = groups[next].iter().map(|entry| entry.facts.size).sum();
                    let size = sealed.max(usize::try_from(plain).unwrap_or(usize::MAX / 2));
                    bytes += size;
                    sizes.insert(next, size);
                    // Cannot block: there is room for as many as may be under way.
                    let _ = send.send((next, rows));
                    next += 1;
                }
                while !waiting.contains_key(&number) {
                    let (other, result) = made.recv().map_err(|_| VaultError::Refused("a worker has ended"))?;
                    waiting.insert(other, result);
                }
                if let Some(result) = waiting.remove(&number) {
                    each(number, result?)?;
                }
                bytes -= sizes.remove(&number).unwrap_or(0);
            }
            Ok(())
        })
    }
}
