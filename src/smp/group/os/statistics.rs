//! Commands 2 and 3: tasks and memory pools.

use crate::cbor::{BufferFull, Item, Malformed, Reader, Rows, Table, Text, Value, Writer};
use crate::smp::{Decode, Encode, Group, Op, Request, payload};

/// Asks for the tasks (threads) of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TaskStatistics {}

payload!(request TaskStatistics {});

/// The tasks by name.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct TaskStatisticsResponse<'b> {
    /// One entry per task.
    pub tasks: Table<'b, Task>,
}

payload!(response TaskStatisticsResponse<'b> { tasks: Table<'b, Task> = "tasks" });

/// One task. The configuration of the firmware decides which of the optional keys are present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Task {
    /// Priority; negative ones are cooperative in Zephyr.
    pub priority: i64,
    /// The number of the task.
    pub id: u64,
    /// Zephyr: bits 1 dummy, 2 pending, 4 sleeping, 8 dead, 16 suspended, 32 aborting, 64
    /// suspending, 128 queued.
    pub state: u64,
    /// Used stack in words of 4 bytes.
    pub stack_use: Option<u64>,
    /// Size of the stack in words of 4 bytes.
    pub stack_size: Option<u64>,
    /// The number of context switches of this task.
    pub context_switches: Option<u64>,
    /// Run time in ticks or cycles.
    pub runtime: Option<u64>,
    /// Time of the last sanity check-in.
    pub last_checkin: Option<u64>,
    /// Time of the next sanity check-in.
    pub next_checkin: Option<u64>,
}

payload!(response Task {
    priority: i64 = "prio",
    id: u64 = "tid",
    state: u64 = "state",
    stack_use: "stkuse",
    stack_size: "stksiz",
    context_switches: "cswcnt",
    runtime: "runtime",
    last_checkin: "last_checkin",
    next_checkin: "next_checkin",
});

impl Request for TaskStatistics {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 2;
    type Kind = Self;
    type Response<'m> = TaskStatisticsResponse<'m>;
}

/// Asks for the memory pools of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PoolStatistics {}

payload!(request PoolStatistics {});

/// The memory pools by name or number. A decoded response re-encodes byte for byte, including keys
/// that are not pools.
#[derive(Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PoolStatisticsResponse<'b>(Pools<'b>);

#[derive(Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Pools<'b> {
    /// newtmgr's form, or pools to be written.
    Table(Table<'b, Pool>),
    /// Zephyr's form: the payload itself, in which each key whose value is a map is a pool.
    Payload(Table<'b, Entry>),
}

/// One memory pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Pool {
    /// Size of a block in bytes. Zephyr leaves it out for some heaps.
    pub block_size: Option<u64>,
    /// The number of blocks in the pool, free or not.
    pub blocks: u64,
    /// The number of blocks that are free now.
    pub free: u64,
    /// The lowest number of blocks that were ever free.
    pub min: Option<u64>,
}

payload!(response Pool {
    block_size: "blksiz",
    blocks: u64 = "nblks",
    free: u64 = "nfree",
    min: "min",
});

/// The value of a key that may be a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Entry(Option<Pool>);

impl Value<'_> for Entry {
    fn of(item: Item<'_>) -> Result<Self, Malformed> {
        match item {
            Item::Map(_) => Pool::of(item).map(Some).map(Self),
            // Any other value belongs to a key that is not a pool.
            _ => Ok(Self(None)),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        match self.0 {
            Some(pool) => pool.write(writer),
            None => writer.raw(b"\xF6"), // null
        }
    }
}

impl<'b> PoolStatisticsResponse<'b> {
    /// Pools to be sent.
    #[must_use]
    pub fn new(pools: &'b [(Text<'b>, Pool)]) -> Self {
        Self(Pools::Table(pools.into()))
    }

    /// The pools, in order.
    #[must_use]
    pub fn iter(&self) -> PoolsIter<'b> {
        PoolsIter(match self.0 {
            Pools::Table(table) => Kept::Table(table.iter()),
            Pools::Payload(payload) => Kept::Payload(payload.iter()),
        })
    }
}

/// An iterator over the pools of a [`PoolStatisticsResponse`].
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PoolsIter<'b>(Kept<'b>);

/// The rest of the pools, in the form that they came in.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Kept<'b> {
    Table(Rows<'b, Pool>),
    Payload(Rows<'b, Entry>),
}

impl<'b> Iterator for PoolsIter<'b> {
    type Item = (Text<'b>, Pool);

    fn next(&mut self) -> Option<(Text<'b>, Pool)> {
        match &mut self.0 {
            Kept::Table(rows) => rows.next(),
            Kept::Payload(rows) => rows.find_map(|(name, Entry(pool))| pool.map(|pool| (name, pool))),
        }
    }
}

impl<'b> IntoIterator for PoolStatisticsResponse<'b> {
    type Item = (Text<'b>, Pool);
    type IntoIter = PoolsIter<'b>;

    fn into_iter(self) -> PoolsIter<'b> {
        self.iter()
    }
}

impl<'b> IntoIterator for &PoolStatisticsResponse<'b> {
    type Item = (Text<'b>, Pool);
    type IntoIter = PoolsIter<'b>;

    fn into_iter(self) -> PoolsIter<'b> {
        self.iter()
    }
}

/// Two responses are equal if their pools are equal, in whichever form they came.
impl PartialEq for PoolStatisticsResponse<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl core::fmt::Debug for PoolStatisticsResponse<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'b> Decode<'b> for PoolStatisticsResponse<'b> {
    fn decode(payload: &'b [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        let mut entries = reader.entries()?;
        while entries.more(&mut reader)? {
            let name = reader.text()?;
            // The length is compared first, so that a key in many pieces is read once, not once for
            // each name.
            match name.as_bytes().len() {
                6 if name == "mpools" => return Table::of(reader.item()?).map(|table| Self(Pools::Table(table))),
                // A pool may have this name, too.
                5 if name == "tasks" => {
                    if let Ok(table) = Table::of(reader.item()?) {
                        return Ok(Self(Pools::Table(table)));
                    }
                }
                _ => reader.skip()?,
            }
        }
        // Neither table is there: Zephyr's form, one key per pool.
        Table::read(&mut Reader::new(payload)).map(|payload| Self(Pools::Payload(payload)))
    }
}

impl Encode for PoolStatisticsResponse<'_> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        match self.0 {
            Pools::Table(table) => table.write(writer),
            Pools::Payload(payload) => payload.write(writer),
        }
    }
}

impl Request for PoolStatistics {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 3;
    type Kind = Self;
    type Response<'m> = PoolStatisticsResponse<'m>;
}
