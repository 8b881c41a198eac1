//! The traces that got spans from a resource of a request, for decisions while spans arrive.

/// The slots of the traces, once for each span. A trace that is decided meanwhile is marked in the order of the spans instead of being
/// searched for: a request in which many traces reach a limit would be searched as many times.
#[derive(Debug, Default)]
pub(crate) struct TouchedTraces {
    touched: Vec<Touch>,
    /// Those whose traces are still to be evaluated, sorted, the next one last. Not empty between two calls only when an output
    /// panicked.
    evaluating: Vec<Touch>,
    order: u32,
}

/// A span of the trace in a slot, or the end of that trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Touch {
    slot: u32,
    /// The place in the order, and in the lowest bit whether it is an end.
    order: u32,
}

impl TouchedTraces {
    /// A span of the trace in `slot` was stored.
    pub(crate) fn add(&mut self, slot: u32) {
        self.push(slot, false);
    }

    /// The trace in `slot` was decided: the slot may get another trace.
    pub(crate) fn end(&mut self, slot: u32) {
        if !self.touched.is_empty() {
            self.push(slot, true);
        }
    }

    fn push(&mut self, slot: u32, is_end: bool) {
        // A request has fewer spans than 2³⁰.
        self.order = self.order.wrapping_add(2);
        self.touched.push(Touch { slot, order: self.order | u32::from(is_end) });
    }

    /// Takes up what a panic of the output left.
    pub(crate) fn resume(&mut self) {
        self.touched.append(&mut self.evaluating);
    }

    /// Changes the slots of traces, and forgets those for which `moved` returns false.
    pub(crate) fn retain_mut(&mut self, moved: impl Fn(&mut u32) -> bool) {
        self.touched.retain_mut(|touch| moved(&mut touch.slot));
        self.evaluating.retain_mut(|touch| moved(&mut touch.slot));
    }

    /// The resource has no further span: its traces are evaluated.
    pub(crate) fn start(&mut self) {
        if self.touched.is_empty() {
            return;
        }
        std::mem::swap(&mut self.touched, &mut self.evaluating);
        self.evaluating.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// The next trace to evaluate: its slot and the number of its spans.
    pub(crate) fn next(&mut self) -> Option<(u32, usize)> {
        while let Some(Touch { slot, .. }) = self.evaluating.last().copied() {
            let mut spans = 0;
            while let Some(touch) = self.evaluating.pop_if(|touch| touch.slot == slot) {
                spans = if touch.order & 1 == 1 { 0 } else { spans + 1 };
            }
            if spans > 0 {
                return Some((slot, spans));
            }
        }
        self.order = 0;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_spans_of_the_trace_that_has_the_slot_count() {
        let mut touched = TouchedTraces::default();
        // Without spans of this resource there is nothing to mark.
        touched.end(5);
        for slot in [3, 1, 3, 2] {
            touched.add(slot);
        }
        touched.end(3);
        touched.end(2);
        touched.end(9);
        touched.add(3);
        touched.start();
        assert_eq!(touched.next(), Some((1, 1)));
        // The output panicked: the rest is evaluated with the next spans.
        touched.resume();
        touched.add(4);
        touched.end(3);
        touched.add(3);
        touched.add(3);
        touched.start();
        assert_eq!(touched.next(), Some((3, 2)));
        assert_eq!(touched.next(), Some((4, 1)));
        assert_eq!(touched.next(), None);
        touched.start();
        assert_eq!(touched.next(), None);
    }

    #[test]
    fn many_traces_that_end_take_no_search_each() {
        let mut touched = TouchedTraces::default();
        for slot in 0..300_000 {
            touched.add(slot);
            touched.end(slot);
        }
        touched.start();
        assert_eq!(touched.next(), None);
    }
}
