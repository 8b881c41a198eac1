//! Turns: one holder at a time; the others wait in the order of their arrival, on any runtime or none.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use spanwise_worker::{catch_panic, fork};

/// A queue for turns.
#[derive(Clone)]
pub(super) struct Turns {
    queue: Arc<Mutex<Queue>>,
    /// A forked child must not touch the lock, which a thread of its parent may hold.
    generation: u32,
}

#[derive(Default)]
struct Queue {
    is_taken: bool,
    next_number: u64,
    waiting: VecDeque<(u64, Option<Waker>)>,
    /// The number whose turn it is, until its future is polled.
    called: Option<u64>,
}

/// The right of one holder. Its drop passes it on.
pub(super) struct Turn(Turns);

/// A place in the queue. Its drop gives up the place, or the turn.
pub(super) struct Waiting {
    turns: Turns,
    number: u64,
    is_over: bool,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { queue: Arc::default(), generation: fork::generation() }
    }

    /// A place in the queue, as a future of the turn.
    pub(super) fn take(&self) -> Waiting {
        let mut queue = self.lock();
        let number = queue.next_number;
        queue.next_number += 1;
        if queue.is_taken {
            queue.waiting.push_back((number, None));
        } else {
            queue.is_taken = true;
            queue.called = Some(number);
        }
        drop(queue);
        Waiting { turns: self.clone(), number, is_over: false }
    }

    /// Calls the next number.
    fn pass_on(&self) {
        let mut queue = self.lock();
        let next = queue.waiting.pop_front();
        queue.is_taken = next.is_some();
        queue.called = next.as_ref().map(|(number, _)| *number);
        drop(queue);
        if let Some((_, Some(waker))) = next {
            // Of another executor: its panic must not end what the holder does.
            let _caught = catch_panic(|| waker.wake());
        }
    }

    fn is_inherited(&self) -> bool {
        self.generation != fork::generation()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Waiting {
    type Output = Turn;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn> {
        let this = &mut *self;
        let mut queue = this.turns.lock();
        if queue.called == Some(this.number) {
            queue.called = None;
            this.is_over = true;
            return Poll::Ready(Turn(this.turns.clone()));
        }
        let mut places = queue.waiting.iter_mut();
        if let Some((_, waker)) = places.find(|(number, _)| *number == this.number) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.is_over || self.turns.is_inherited() {
            return;
        }
        let mut queue = self.turns.lock();
        if queue.called == Some(self.number) {
            drop(queue);
            self.turns.pass_on();
        } else {
            queue.waiting.retain(|(number, _)| *number != self.number);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.0.is_inherited() {
            self.0.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(waiting: &mut Waiting) -> Option<Turn> {
        match Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[test]
    fn turns_are_taken_in_order_and_given_up_by_a_drop() {
        let turns = Turns::new();
        let mut places: Vec<Waiting> = (0..5).map(|_| turns.take()).collect();
        let first = poll(&mut places[0]).unwrap();
        assert!(places[1..].iter_mut().all(|it| poll(it).is_none()));
        // One that waits leaves nothing behind, and neither does one that was called.
        drop(places.remove(3));
        assert_eq!(turns.lock().waiting.len(), 3);
        drop(first);
        drop(places.remove(1));
        let third = poll(&mut places[1]).unwrap();
        assert!(poll(&mut places[2]).is_none());
        drop(third);
        drop(poll(&mut places[2]).unwrap());
        assert!(poll(&mut turns.take()).is_some());
    }
}
