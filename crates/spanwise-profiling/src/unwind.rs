//! The call stack of the calling thread, without an allocation.

/// Frames that a stack has at most. Of a deeper one, the frames nearest to `main` are missing.
pub(crate) const DEPTH: usize = 96;

/// Instruction pointers, the innermost call first. Each is the address after the call.
pub(crate) struct Stack {
    frames: [usize; DEPTH],
    len: usize,
}

impl Stack {
    pub(crate) const fn new() -> Self {
        Self { frames: [0; DEPTH], len: 0 }
    }

    /// Unwinds the calling thread. Neither allocates nor locks, except for what the system's unwinder
    /// does: see `cpu::signal` for the systems where that matters.
    #[inline(never)]
    pub(crate) fn capture(&mut self) {
        self.len = 0;
        // SAFETY: the callback only writes to `self`. The function without synchronization differs
        // from `trace` on Windows alone, where it is not called: see `SUPPORTED`.
        unsafe {
            backtrace::trace_unsynchronized(|frame| {
                let address = frame.ip() as usize;
                if address != 0 {
                    self.push(address);
                }
                self.len < DEPTH
            });
        }
    }

    /// Removes the frames before the one at exactly `address`, and makes the frame an address after a
    /// call as the others are. Without such a frame, only `address` remains.
    pub(crate) fn start_at(&mut self, address: usize) {
        let first = self.frames().iter().position(|frame| *frame == address);
        match first {
            Some(first) => {
                self.frames.copy_within(first..self.len, 0);
                self.len -= first;
            }
            None => self.len = 1,
        }
        if let Some(first) = self.frames.first_mut() {
            *first = address.wrapping_add(1);
        }
    }

    pub(crate) fn push(&mut self, address: usize) {
        if let Some(frame) = self.frames.get_mut(self.len) {
            *frame = address;
            self.len += 1;
        }
    }

    pub(crate) fn frames(&self) -> &[usize] {
        self.frames.get(..self.len).unwrap_or_default()
    }
}

/// Whether stacks are captured on this system.
pub(crate) const SUPPORTED: bool = cfg!(unix);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_ends_at_its_capacity_and_starts_at_an_address() {
        let mut stack = Stack::new();
        (1..=DEPTH + 5).for_each(|address| stack.push(address));
        assert_eq!(stack.frames().len(), DEPTH);
        stack.start_at(3);
        assert_eq!(stack.frames()[..3], [4, 4, 5]);
        assert_eq!(stack.frames().len(), DEPTH - 2);
        stack.start_at(1_000_000);
        assert_eq!(stack.frames(), [1_000_001]);
    }

    #[test]
    fn a_captured_stack_has_frames() {
        let mut stack = Stack::new();
        stack.capture();
        assert!(stack.frames().len() > 3);
    }
}
