//! Pairs of a loop that allocates and the same loop that does not, with their allocations counted.
//!
//! ```text
//! cargo run --example fewer_allocations --features testing
//! ```

use spanwise::pool::{BufferPool, Interner};
use spanwise::testing::{Allocations, CountingAllocator, count_allocations};
use std::hint::black_box;
use std::io::Write as _;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const REQUESTS: u64 = 1_000;

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (new, reused) = (count(a_buffer_for_each_request), count(one_buffer_for_all_requests));
    show("a buffer for each request", new, "one buffer for all", reused);
    assert_eq!((new.count, reused.count), (REQUESTS, 1));

    let (grown, sized) = (count(attributes_that_grow), count(attributes_of_known_number));
    show("100 attributes, grown", grown, "with capacity", sized);
    assert!(grown.count > 1 && grown.bytes > sized.bytes);
    assert_eq!(sized.count, 1);

    let buffers = BufferPool::<Vec<u8>>::new(8, 4096);
    drop(buffers.acquire()); // the first one is new
    let pooled = count(|| buffers_of_a_pool(&buffers));
    show("a buffer for each request", new, "buffers of a pool", pooled);
    assert_eq!(pooled.count, 0);

    let interner = Interner::new(100, 4096);
    drop(interner.intern(KEY)); // stays while the interner has space
    let (copied, interned) =
        (count(keys_that_are_copied), count(|| keys_that_are_interned(&interner)));
    show("a copy of each key", copied, "keys of an interner", interned);
    assert_eq!((copied.count, interned.count), (REQUESTS, 0));
    Ok(())
}

fn a_buffer_for_each_request() {
    for request in 0..REQUESTS {
        let mut buffer = Vec::with_capacity(4096);
        write_page(&mut buffer, request);
    }
}

/// `clear` leaves the capacity. The borrow checker proves that no earlier page is in use.
fn one_buffer_for_all_requests() {
    let mut buffer = Vec::with_capacity(4096);
    for request in 0..REQUESTS {
        buffer.clear();
        write_page(&mut buffer, request);
    }
}

/// For threads and tasks that cannot have a buffer of their own.
fn buffers_of_a_pool(buffers: &BufferPool<Vec<u8>>) {
    (0..REQUESTS).for_each(|request| write_page(&mut buffers.acquire(), request));
}

fn write_page(buffer: &mut Vec<u8>, request: u64) {
    let written = write!(buffer, "<h1>Order {request}</h1>");
    assert!(written.is_ok() && buffer.starts_with(b"<h1>"));
    black_box(buffer);
}

fn attributes_that_grow() {
    let mut attributes = Vec::new();
    (0..100).for_each(|number| attributes.push((KEY, number)));
    assert_eq!(black_box(attributes).len(), 100);
}

fn attributes_of_known_number() {
    let mut attributes = Vec::with_capacity(100);
    (0..100).for_each(|number| attributes.push((KEY, number)));
    assert_eq!(black_box(attributes).len(), 100);
}

fn keys_that_are_copied() {
    (0..REQUESTS).for_each(|_| assert_eq!(black_box(KEY.to_owned()).len(), KEY.len()));
}

/// For keys that are not known when the program is compiled; a literal needs neither.
fn keys_that_are_interned(interner: &Interner) {
    (0..REQUESTS).for_each(|_| assert_eq!(black_box(interner.intern(KEY)).len(), KEY.len()));
}

const KEY: &str = "http.request.method";

fn count(f: impl FnOnce()) -> Allocations {
    count_allocations(f).1
}

fn show(before: &str, more: Allocations, after: &str, fewer: Allocations) {
    println!("{before}: {more}; {after}: {fewer}");
}
