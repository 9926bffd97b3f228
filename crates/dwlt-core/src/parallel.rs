//! Work shared among threads, with results that do not depend on how it was shared.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::thread;

/// How many threads to use: what was asked for, or what the machine offers.
pub(crate) fn threads(asked: Option<NonZeroUsize>) -> usize {
    asked.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}

/// Lets `threads` workers take `items` in order. Each worker has a state of its own; the states
/// come back for the caller to merge, by an operation that commutes.
pub(crate) fn share<T: Send, S: Send>(
    threads: usize,
    items: Vec<T>,
    new_state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) + Sync,
) -> Vec<S> {
    let workers = threads.min(items.len()).max(1);
    let queue = Mutex::new(items.into_iter());
    let run = || {
        let mut state = new_state();
        loop {
            // The guard must go before the work starts, so it gets a statement of its own.
            let item = queue.lock().expect("no worker panics while it holds the queue").next();
            let Some(item) = item else { return state };
            work(&mut state, item);
        }
    };
    thread::scope(|scope| {
        // One of the workers is this thread: starting another takes as long as a small task.
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(run)).collect();
        let mine = run();
        let join = |other: thread::ScopedJoinHandle<'_, S>| {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let mut states: Vec<S> = others.into_iter().map(join).collect();
        states.push(mine);
        states
    })
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn every_item_is_taken_once_whatever_the_threads() {
        for threads in [1, 2, 7] {
            let sums = share(threads, (1..=100_u64).collect(), || 0, |sum, item| *sum += item);
            assert_eq!(sums.iter().sum::<u64>(), 5050);
        }
    }
}
