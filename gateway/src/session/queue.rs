//! What waits to be written to one socket: frames as ready text, shared with every other session that gets them.
//!
//! Bounded in frames and bytes. When a bound is reached nothing is dropped in silence: the queue is closed, the session
//! ends with "too slow" (4101), and the client resumes where it was. An idle queue holds no memory of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::ws::Utf8Bytes;
use parking_lot::Mutex;
use tidings_protocol::CloseCode;
use tokio::sync::Notify;

/// Bounds of one session's queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueBounds {
    /// Most frames.
    pub(crate) frames: usize,
    /// Most bytes.
    pub(crate) bytes: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Utf8Bytes>,
    bytes: usize,
    /// Set once; nothing is taken in any more.
    closed: Option<CloseCode>,
}

/// One session's queue. Pushed to by the hub and by the session's own answers, emptied by its socket task.
#[derive(Debug)]
pub(crate) struct SessionQueue {
    bounds: QueueBounds,
    /// Never held over an await.
    waiting: Mutex<Waiting>,
    /// Wakes the socket task.
    wake: Notify,
    /// Cheap look for the hub: nothing need be pushed to a closed queue.
    is_closed: AtomicBool,
}

impl SessionQueue {
    pub(crate) fn new(bounds: QueueBounds) -> Self {
        Self { bounds, waiting: Mutex::default(), wake: Notify::new(), is_closed: AtomicBool::new(false) }
    }

    /// Adds a frame. `false` when the queue is closed, by this push or before it.
    pub(crate) fn push(&self, frame: Utf8Bytes) -> bool {
        if self.is_closed() {
            return false;
        }
        let mut waiting = self.waiting.lock();
        if waiting.closed.is_some() {
            return false;
        }
        let full = waiting.frames.len() >= self.bounds.frames || waiting.bytes + frame.len() > self.bounds.bytes;
        if full && !waiting.frames.is_empty() {
            self.close_locked(&mut waiting, CloseCode::TooSlow);
            return false;
        }
        waiting.bytes += frame.len();
        waiting.frames.push_back(frame);
        let first = waiting.frames.len() == 1;
        drop(waiting);
        if first {
            self.wake.notify_one();
        }
        true
    }

    /// Closes the queue: what waits is dropped, and the socket task ends the session with `code`. The first code stands.
    pub(crate) fn close(&self, code: CloseCode) {
        let mut waiting = self.waiting.lock();
        if waiting.closed.is_none() {
            self.close_locked(&mut waiting, code);
        }
    }

    fn close_locked(&self, waiting: &mut Waiting, code: CloseCode) {
        waiting.closed = Some(code);
        waiting.frames = VecDeque::new();
        waiting.bytes = 0;
        self.is_closed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Why it was closed.
    pub(crate) fn closed(&self) -> Option<CloseCode> {
        self.waiting.lock().closed
    }

    /// Waits until there is something to write, or the queue is closed.
    pub(crate) async fn ready(&self) {
        loop {
            if self.is_closed() || !self.waiting.lock().frames.is_empty() {
                return;
            }
            self.wake.notified().await;
        }
    }

    /// Waits until the queue is closed.
    pub(crate) async fn until_closed(&self) -> CloseCode {
        loop {
            if let Some(code) = self.closed() {
                return code;
            }
            self.wake.notified().await;
        }
    }

    /// Takes the next socket message: one frame as it is, or several small ones joined by line feeds up to
    /// `join_bytes`.
    pub(crate) fn take(&self, join_bytes: usize) -> Option<Utf8Bytes> {
        let mut waiting = self.waiting.lock();
        let first = waiting.frames.pop_front()?;
        waiting.bytes -= first.len();
        let fits = |waiting: &Waiting, len: usize| {
            waiting.frames.front().is_some_and(|next| len + 1 + next.len() <= join_bytes)
        };
        let message = if fits(&waiting, first.len()) {
            let mut joined =
                String::with_capacity(join_bytes.min(first.len() + 1 + waiting.bytes + waiting.frames.len()));
            joined.push_str(&first);
            while fits(&waiting, joined.len()) {
                if let Some(next) = waiting.frames.pop_front() {
                    waiting.bytes -= next.len();
                    joined.push('\n');
                    joined.push_str(&next);
                }
            }
            joined.into()
        } else {
            first
        };
        if waiting.frames.is_empty() {
            waiting.frames = VecDeque::new();
        }
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn queue(frames: usize, bytes: usize) -> SessionQueue {
        SessionQueue::new(QueueBounds { frames, bytes })
    }

    #[test]
    fn small_frames_are_joined_and_large_ones_are_not() {
        let queue = queue(10, 100);
        for frame in ["aa", "bb", "cccccc", "d"] {
            assert!(queue.push(frame.into()));
        }
        assert_eq!(queue.take(5).unwrap().as_str(), "aa\nbb");
        assert_eq!(queue.take(5).unwrap().as_str(), "cccccc");
        assert_eq!(queue.take(5).unwrap().as_str(), "d");
        assert!(queue.take(5).is_none());
    }

    #[test]
    fn a_full_queue_is_closed_not_shortened() {
        let by_frames = queue(2, 100);
        assert!(by_frames.push("a".into()) && by_frames.push("b".into()));
        assert!(!by_frames.push("c".into()));
        assert_eq!(by_frames.closed(), Some(CloseCode::TooSlow));
        assert!(by_frames.take(10).is_none());
        let by_bytes = queue(10, 5);
        // One frame above the bound passes alone: a page may be larger than the queue.
        assert!(by_bytes.push("123456".into()));
        assert!(!by_bytes.push("1".into()));
        by_bytes.close(CloseCode::Draining);
        assert_eq!(by_bytes.closed(), Some(CloseCode::TooSlow));
    }

    #[tokio::test]
    async fn a_push_and_a_close_wake_the_writer() {
        let queue = std::sync::Arc::new(queue(2, 100));
        let waiter = tokio::spawn({
            let queue = queue.clone();
            async move {
                queue.ready().await;
                queue.take(10).unwrap();
                queue.until_closed().await
            }
        });
        queue.push("x".into());
        tokio::task::yield_now().await;
        queue.close(CloseCode::Draining);
        assert_eq!(waiter.await.unwrap(), CloseCode::Draining);
    }
}
