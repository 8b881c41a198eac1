//! The measured cases: one operation each, with its rivals. Also the body of the criterion bench
//! `pool` of `spanwise-benches`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::{Arc, LazyLock};

use spanwise_bytes::ByteStr;
use spanwise_bytes::bytes::Bytes;
use spanwise_pool::span::Attribute;
use spanwise_pool::{BufferPool, Interner, Pool, PooledSpan, SpanPool, TieredPool};

/// One operation, repeated on request.
pub struct Case {
    /// Cases of a group do the same thing.
    pub group: &'static str,
    /// The implementation.
    pub name: &'static str,
    /// The numbers of threads that run it at a time.
    pub threads: &'static [usize],
    /// Runs the operation a number of times on the calling thread.
    pub run: Box<dyn Fn(u64) + Sync>,
}

/// All of them.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |group, threads, all: Vec<Named>| {
        cases.extend(all.into_iter().map(|(name, run)| Case { group, name, threads, run }));
    };
    add("pool: 1 KiB buffer", SHARED, buffers_of_a_kib());
    add("span: 1 attribute", SHARED, spans());
    add("span: 4, 20, 100 attributes", ALONE, tiers());
    add("100 attributes", ALONE, preallocation());
    add("buffer: 4 KiB written", ALONE, buffers(4 << 10));
    add("buffer: 256 KiB written", ALONE, buffers(256 << 10));
    add("a known string", ALONE, interning());
    add("11 bytes to a string", ALONE, conversion());
    add("4 KiB to a string", ALONE, long_conversion());
    cases
}

const SHARED: &[usize] = &[1, 2, 4, 8];
pub const ALONE: &[usize] = &[1];

type Named = (&'static str, Box<dyn Fn(u64) + Sync>);

/// Runs `f` a number of times.
fn times(name: &'static str, f: impl Fn() + Sync + 'static) -> Named {
    (name, Box::new(move |count| (0..count).for_each(|_| f())))
}

/// The least work with a buffer, so that the time is that of the pool.
fn touch(buffer: &mut Vec<u8>) {
    assert!(buffer.is_empty());
    buffer.push(7);
    black_box(buffer);
}

fn buffers_of_a_kib() -> Vec<Named> {
    const KIB: usize = 1024;
    static POOL: LazyLock<Pool<Vec<u8>>> = LazyLock::new(|| Pool::new(64));
    let owned = Arc::new(Pool::new(64));
    let moved = Pool::new(64);
    let limited = Pool::new(64).with_byte_limit(1 << 20);
    let backend = spanwise_pool::object_pool::Pool::new(64);
    let rival = object_pool::Pool::new(64, || Vec::with_capacity(KIB));
    let rival_owned = Arc::new(object_pool::Pool::new(64, || Vec::with_capacity(KIB)));
    thread_local! {
        static OWN: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    }
    vec![
        times("spanwise-pool", || touch(&mut POOL.acquire(|| Vec::with_capacity(KIB)))),
        times("spanwise-pool, byte limit", move || {
            touch(&mut limited.acquire(|| Vec::with_capacity(KIB)));
        }),
        times("spanwise-pool, take and put", move || {
            let mut buffer = moved.take_or(|| Vec::with_capacity(KIB));
            touch(&mut buffer);
            drop(moved.put(buffer));
        }),
        times("spanwise-pool, owned", move || {
            touch(&mut owned.acquire_owned(|| Vec::with_capacity(KIB)));
        }),
        times("object-pool", move || {
            let mut buffer = rival.pull(|| Vec::with_capacity(KIB));
            buffer.clear();
            touch(&mut buffer);
        }),
        times("object-pool, owned", move || {
            let mut buffer = rival_owned.pull_owned(|| Vec::with_capacity(KIB));
            buffer.clear();
            touch(&mut buffer);
        }),
        times("object-pool in our bounds", move || {
            touch(&mut backend.acquire(|| Vec::with_capacity(KIB)));
        }),
        times("thread-local", || {
            let own = OWN.with_borrow_mut(Vec::pop);
            let mut buffer = own.unwrap_or_else(|| Vec::with_capacity(KIB));
            touch(&mut buffer);
            buffer.clear();
            OWN.with_borrow_mut(|own| own.push(buffer));
        }),
        times("fresh", || touch(&mut Vec::with_capacity(KIB))),
    ]
}

/// The source document's span: acquired, one attribute, released.
fn write(span: &mut PooledSpan) {
    assert!(span.attributes.is_empty());
    span.name.push_str("GET /api/users");
    span.attributes.push(Attribute::new("http.method", "GET"));
    black_box(span);
}

fn fresh_span() -> PooledSpan {
    PooledSpan::with_capacity(16, 8, 4)
}

fn spans() -> Vec<Named> {
    static POOL: LazyLock<SpanPool> = LazyLock::new(|| SpanPool::new(64));
    let rival = object_pool::Pool::new(64, fresh_span);
    thread_local! {
        static OWN: RefCell<Vec<PooledSpan>> = const { RefCell::new(Vec::new()) };
    }
    vec![
        times("spanwise-pool", || write(&mut POOL.acquire())),
        times("object-pool", move || {
            let mut span = rival.pull(fresh_span);
            span.reset();
            write(&mut span);
        }),
        times("thread-local", || {
            let own = OWN.with_borrow_mut(Vec::pop);
            let mut span = own.unwrap_or_else(fresh_span);
            write(&mut span);
            span.reset();
            OWN.with_borrow_mut(|own| own.push(span));
        }),
        times("fresh", || write(&mut fresh_span())),
        times("fresh, no presize", || write(&mut PooledSpan::default())),
    ]
}

const SIZES: [usize; 3] = [4, 20, 100];

fn tiers() -> Vec<Named> {
    fn fill(span: &mut PooledSpan, size: usize) {
        span.attributes.extend((0..size).map(|_| Attribute::new("key", 1)));
        assert_eq!(span.attributes.len(), size);
        black_box(span);
    }
    let tiered = TieredPool::<PooledSpan>::new(64);
    let flat = SpanPool::new(64);
    vec![
        times("tiered", move || {
            for size in SIZES {
                if let Some(mut span) = tiered.acquire(size) {
                    fill(&mut span, size);
                }
            }
        }),
        times("one size", move || {
            SIZES.into_iter().for_each(|size| fill(&mut flat.acquire(), size))
        }),
        times("fresh", || SIZES.into_iter().for_each(|size| fill(&mut fresh_span(), size))),
    ]
}

fn preallocation() -> Vec<Named> {
    fn fill(attributes: &mut Vec<Attribute>) {
        (0..100).for_each(|n| attributes.push(Attribute::new("key", n)));
        assert_eq!(attributes.len(), 100);
        black_box(attributes);
    }
    let pool = Pool::new(8);
    vec![
        times("pooled", move || fill(&mut pool.acquire(|| Vec::with_capacity(100)))),
        times("with_capacity", || fill(&mut Vec::with_capacity(100))),
        times("grown", || fill(&mut Vec::new())),
    ]
}

fn buffers(size: usize) -> Vec<Named> {
    fn fill(buffer: &mut Vec<u8>, size: usize) {
        buffer.resize(size, 1);
        black_box(buffer);
    }
    let (pool, frozen) = (BufferPool::<Vec<u8>>::new(8, size), BufferPool::<Vec<u8>>::new(8, size));
    vec![
        times("pooled", move || fill(&mut pool.acquire(), size)),
        times("pooled, as Bytes", move || {
            let mut buffer = frozen.acquire();
            fill(&mut buffer, size);
            assert_eq!(black_box(buffer.freeze()).len(), size);
        }),
        times("fresh", move || fill(&mut Vec::with_capacity(size), size)),
        times("fresh, as Bytes", move || {
            let mut buffer = Vec::with_capacity(size);
            fill(&mut buffer, size);
            assert_eq!(black_box(Bytes::from(buffer)).len(), size);
        }),
    ]
}

fn interning() -> Vec<Named> {
    const KEYS: [&str; 8] = [
        "http.request.method",
        "url.path",
        "server.address",
        "http.response.status_code",
        "tenant.id",
        "db.system.name",
        "messaging.destination.name",
        "user_agent.original",
    ];
    fn each(count: u64, use_key: impl Fn(&'static str)) {
        // Not the same branch each time.
        KEYS.into_iter().cycle().take(count as usize).for_each(use_key);
    }
    let interner = Interner::new(1024, 1 << 16);
    let intern = move |key: &'static str| {
        assert_eq!(black_box(interner.intern(key)).len(), key.len());
    };
    let share = |key: &'static str| assert_eq!(black_box(Arc::<str>::from(key)).len(), key.len());
    let copy = |key: &'static str| assert_eq!(black_box(String::from(key)).len(), key.len());
    vec![
        ("Interner::intern", Box::new(move |count| each(count, &intern))),
        ("Arc::<str>::from", Box::new(move |count| each(count, share))),
        ("String::from", Box::new(move |count| each(count, copy))),
    ]
}

fn conversion() -> Vec<Named> {
    const BYTES: &[u8] = b"hello world";
    let received = Bytes::copy_from_slice(BYTES);
    let checked = received.clone();
    // Not static: a clone of static memory counts nothing.
    let text: ByteStr = ["hello", " world"].concat().into();
    drop(text.clone());
    vec![
        times("ByteStr::from_utf8, shared", move || {
            let text = ByteStr::from_utf8(black_box(&checked).clone());
            assert_eq!(text.map(|text| text.len()), Ok(11));
        }),
        times("ByteStr::slice, shared", move || {
            let part = black_box(&text).slice(6..);
            assert_eq!(part.map(|part| part.len()), Some(5));
        }),
        times("String::from_utf8, owned", move || {
            let text = String::from_utf8(black_box(&received).to_vec());
            assert_eq!(text.map(|text| text.len()), Ok(11));
        }),
        times("str::from_utf8, borrowed", || {
            let text = std::str::from_utf8(black_box(BYTES));
            assert_eq!(text.map(str::len), Ok(11));
        }),
        times("str::as_bytes, borrowed", || {
            assert_eq!(black_box("hello world").as_bytes().last(), Some(&b'd'));
        }),
        times("String::from_utf8_lossy, owned", || {
            let text = String::from_utf8_lossy(black_box(BYTES));
            assert_eq!(black_box(Cow::into_owned(text)).len(), 11);
        }),
    ]
}

fn long_conversion() -> Vec<Named> {
    const LEN: usize = 4 << 10;
    let received = Bytes::from("GET /orders HTTP/1.1".repeat(LEN).split_at(LEN).0.to_owned());
    let [shared, owned] = [received.clone(), received.clone()];
    vec![
        times("ByteStr::from_utf8, shared", move || {
            let text = ByteStr::from_utf8(black_box(&shared).clone());
            assert_eq!(text.map(|text| text.len()), Ok(LEN));
        }),
        times("String::from_utf8, owned", move || {
            let text = String::from_utf8(black_box(&owned).to_vec());
            assert_eq!(text.map(|text| text.len()), Ok(LEN));
        }),
        times("str::from_utf8, borrowed", move || {
            let text = std::str::from_utf8(black_box(&received));
            assert_eq!(text.map(str::len), Ok(LEN));
        }),
    ]
}
