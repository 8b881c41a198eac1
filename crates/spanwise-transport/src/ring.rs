//! Routing of trace ids over endpoints, by the ring of the Collector's load-balancing exporter.

use std::fmt;

use flate2::Crc;

/// A consistent hash ring over endpoints: all spans of a trace have the same endpoint.
///
/// It returns what the ring of the OpenTelemetry Collector's `load_balancing` exporter returns for the same
/// endpoints and `routing_key: traceID`, whichever order they are given in. So a program and a Collector
/// route the spans of one trace to the same instance, which tail sampling needs.
///
/// ```
/// use spanwise_transport::{Ring, RingVersion};
///
/// let ring = Ring::new(RingVersion::V3, ["collector-1:4317", "collector-2:4317"])?;
/// let trace_id = 0x4bf92f3577b34da6a3ce929d0e0e4736_u128.to_be_bytes();
/// println!("{}", ring.endpoint(trace_id));
/// # Ok::<(), spanwise_transport::RingError>(())
/// ```
///
/// # Cost
/// A lookup is a checksum of 16 bytes by tables of 16 KiB and a binary search in a part of 256 positions. A ring takes 8 bytes for each of
/// its points, 100 (V1, V2) or 200 (V3) per endpoint, and 2 KiB.
#[derive(Clone)]
pub struct Ring {
    version: RingVersion,
    /// In the order in which they were given.
    endpoints: Vec<String>,
    /// Ascending, no position twice.
    points: Vec<Point>,
    /// The number of points before each part of the positions, and that of all.
    starts: Vec<u32>,
}

/// The version of the ring, which changed with the Collector. All senders of a fleet have to use the same
/// one: between two versions, nearly every trace has another endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RingVersion {
    /// Collector releases up to v0.130: 100 points per endpoint on 36,000 positions; of two points that
    /// collide, the second is left out.
    V1,
    /// Collector releases v0.131 to v0.156: as V1; a point that collides moves by up to nine positions.
    V2,
    /// Collector releases from v0.157: 200 points per endpoint on 131,071 positions, of which no endpoint
    /// gets the first choice.
    #[default]
    V3,
}

/// A point of the ring: the endpoint of all positions from the previous point's to this one's.
#[derive(Debug, Clone, Copy)]
struct Point {
    position: u32,
    endpoint: u32,
}

impl Ring {
    /// A ring of these endpoints, named as in the configuration of the Collector's exporter: `host:port` for
    /// its static resolver.
    ///
    /// # Errors
    /// There is no endpoint, there are more than 1,000, or two have the same name.
    pub fn new<S>(
        version: RingVersion,
        endpoints: impl IntoIterator<Item = S>,
    ) -> Result<Self, RingError>
    where
        S: Into<String>,
    {
        let endpoints: Vec<String> =
            endpoints.into_iter().take(MAX_ENDPOINTS + 1).map(Into::into).collect();
        if endpoints.is_empty() {
            return Err(RingError::Empty);
        }
        if endpoints.len() > MAX_ENDPOINTS {
            return Err(RingError::TooMany);
        }
        // The resolvers of the Collector's exporter sort the endpoints, on which V1 and V2 depend.
        let mut sorted: Vec<(u32, &str)> =
            (0..).zip(endpoints.iter().map(String::as_str)).collect();
        sorted.sort_by_key(|(_, name)| *name);
        let twice = sorted.windows(2).find_map(|pair| match pair {
            [(_, first), (_, second)] if first == second => Some((*first).to_owned()),
            _ => None,
        });
        if let Some(name) = twice {
            return Err(RingError::Duplicate(name));
        }
        let points = version.points(&sorted);
        let before = |part| points.partition_point(|point| point.position < part * PART) as u32;
        let starts = (0..version.positions().div_ceil(PART) + 1).map(before).collect();
        Ok(Self { version, endpoints, points, starts })
    }

    /// The index of the endpoint for a trace id, in the order in which the endpoints were given.
    #[inline]
    pub fn index(&self, trace_id: [u8; 16]) -> usize {
        let position = checksum_of_id(trace_id) % self.version.positions();
        let part = (position / PART) as usize;
        let (start, end) = match self.starts.get(part..part + 2) {
            Some([start, end]) => (*start as usize, *end as usize),
            _ => (0, self.points.len()),
        };
        let in_part = self.points.get(start..end).unwrap_or_default();
        let next = start + in_part.partition_point(|point| point.position < position);
        // Beyond the last point, the ring begins again.
        let point = self.points.get(next).or(self.points.first());
        point.map_or(0, |point| point.endpoint as usize)
    }

    /// The endpoint for a trace id.
    pub fn endpoint(&self, trace_id: [u8; 16]) -> &str {
        self.endpoints.get(self.index(trace_id)).map_or("", String::as_str)
    }

    /// The endpoints, in the order in which they were given.
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// The version.
    pub fn version(&self) -> RingVersion {
        self.version
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("version", &self.version)
            .field("endpoints", &self.endpoints.len())
            .finish_non_exhaustive()
    }
}

impl RingVersion {
    fn positions(self) -> u32 {
        match self {
            Self::V1 | Self::V2 => 36_000,
            Self::V3 => 131_071,
        }
    }

    /// Positions after its own that a point tries, plus one.
    fn tries(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 | Self::V3 => 10,
        }
    }

    /// The checksum of an endpoint's point with a number.
    fn hash(self, endpoint: &str, number: u32) -> u32 {
        match self {
            Self::V1 => checksum(&[endpoint.as_bytes(), &[number as u8]]),
            Self::V2 | Self::V3 => checksum(&[endpoint.as_bytes(), &number.to_le_bytes()]),
        }
    }

    /// The points of `endpoints`, which are sorted by name.
    fn points(self, endpoints: &[(u32, &str)]) -> Vec<Point> {
        let (positions, per_endpoint) =
            (self.positions(), if self == Self::V3 { 200 } else { 100 });
        let mut candidates = Vec::with_capacity(endpoints.len() * per_endpoint as usize);
        for (endpoint, name) in endpoints {
            candidates.extend((0..per_endpoint).map(|number| (self.hash(name, number), *endpoint)));
        }
        if self == Self::V3 {
            // A stable sort leaves equal hashes in the order of the names.
            candidates.sort_by_key(|(hash, _)| (hash % positions, *hash));
        }
        let mut is_taken = vec![false; positions as usize];
        let mut points = Vec::with_capacity(candidates.len());
        for (hash, endpoint) in candidates {
            let tried = (0..self.tries()).map(|step| (hash % positions + step) % positions);
            let mut free = tried.filter(|at| is_taken.get(*at as usize) == Some(&false));
            let Some(position) = free.next() else { continue };
            if let Some(taken) = is_taken.get_mut(position as usize) {
                *taken = true;
            }
            points.push(Point { position, endpoint });
        }
        points.sort_unstable_by_key(|point| point.position);
        points
    }
}

/// As [`checksum`], of a trace id: a tenth of its time for so few bytes.
#[inline]
fn checksum_of_id(trace_id: [u8; 16]) -> u32 {
    let [a, b, c, d, rest @ ..] = trace_id;
    // The register begins with all bits set.
    let first = [!a, !b, !c, !d];
    let bytes = first.iter().chain(&rest);
    let sum = bytes.zip(ID_TABLES.iter()).fold(0, |sum, (byte, table)| {
        sum ^ table.get(usize::from(*byte)).copied().unwrap_or_default()
    });
    !sum
}

/// For each byte of an id, what it adds to the checksum.
static ID_TABLES: [[u32; 256]; 16] = id_tables();

const fn id_tables() -> [[u32; 256]; 16] {
    let mut tables = [[0; 256]; 16];
    let mut byte = 0;
    while byte < 256 {
        // The register after the byte, and then after each zero byte behind it.
        let mut register = byte as u32;
        let mut place = 16;
        while place > 0 {
            let mut bit = 0;
            while bit < 8 {
                register = (register >> 1) ^ (0xedb8_8320 & (register & 1).wrapping_neg());
                bit += 1;
            }
            place -= 1;
            tables[place][byte] = register;
        }
        byte += 1;
    }
    tables
}

/// CRC-32 (IEEE 802.3) of `parts` in a row.
fn checksum(parts: &[&[u8]]) -> u32 {
    let mut crc = Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.sum()
}

/// The reason why there is no ring of some endpoints.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingError {
    /// No endpoint.
    Empty,
    /// More than 1,000 endpoints.
    TooMany,
    /// An endpoint that occurs more than once.
    Duplicate(String),
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the ring has no endpoint; accepted are 1 to {MAX_ENDPOINTS}"),
            Self::TooMany => {
                write!(
                    f,
                    "the ring has more than {MAX_ENDPOINTS} endpoints; accepted are 1 to {MAX_ENDPOINTS}"
                )
            }
            Self::Duplicate(name) => write!(
                f,
                "the ring has the endpoint `{}` twice; accepted is each once",
                crate::url::redacted(name)
            ),
        }
    }
}

impl std::error::Error for RingError {}

debug_as_display!(RingError);

const MAX_ENDPOINTS: usize = 1_000;
/// Positions of a part, in which three endpoints have one or two points.
const PART: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_position_has_the_endpoint_of_the_next_point() {
        for (version, count) in [(RingVersion::V1, 1), (RingVersion::V2, 90), (RingVersion::V3, 7)]
        {
            let names = (0..count).map(|number| format!("sampler-{number}:4317"));
            let ring = Ring::new(version, names).unwrap();
            for number in 0..20_000_u128 {
                let id =
                    number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_0c5f_1234_5677).to_be_bytes();
                let position = checksum_of_id(id) % version.positions();
                let mut points = ring.points.iter();
                let next = points.find(|point| point.position >= position);
                let expected = next.unwrap_or(&ring.points[0]).endpoint as usize;
                assert_eq!(ring.index(id), expected);
            }
        }
    }

    #[test]
    fn the_checksum_of_an_id_is_that_of_its_bytes() {
        for number in 0..1_000_u128 {
            let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_0c5f_1234_5677).to_be_bytes();
            assert_eq!(checksum_of_id(id), checksum(&[&id]));
        }
        assert_eq!(checksum_of_id(*b"1234567890abcdef"), 0x5ca3_2739);
    }
}
