//! A port made of a reader and a writer.

use crate::shown::shown;

/// A reader and a writer as one port, for HALs that split them: USB CDC, DMA channels, pipes. Wrap
/// it in `Timed`, [`Ticking`](super::Ticking) or [`Clocked`](super::Clocked) for a clock.
///
/// With [`with_flush`](Self::with_flush) it calls your function when the last packet was full: USB
/// needs an empty packet then. With embassy-usb:
///
/// ```ignore
/// let (tx, rx) = class.split();
/// let size = tx.max_packet_size().into();
/// let port = Join::new(rx.into_buffered(&mut buffer), tx)
///     .with_flush(size, async |tx: &mut Sender<_>| tx.write_packet(&[]).await);
/// ```
pub struct Join<R, W, H = ()> {
    rx: R,
    tx: W,
    flush: H,
}

shown!([R, W, H] Join<R, W, H>, |_| "Join");

/// The hook of [`Join::with_flush`], and the state that decides when it is called.
pub struct Flush<H> {
    packet: usize,
    hook: H,
    last: Last,
}

shown!([H] Flush<H>, |flush| "Flush({} bytes)", flush.packet);

/// The length of the packet that was written last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Not a full one, or the hook has followed it. Exits: `Full`, by a write of a full packet.
    Short,
    /// A full one. Exits: `Short`, by a flush or a write of another length.
    Full,
}

impl<R, W> Join<R, W> {
    /// A port that reads from `rx` and writes to `tx`.
    #[must_use]
    pub const fn new(rx: R, tx: W) -> Self {
        Self { rx, tx, flush: () }
    }

    /// Calls `hook` in each flush that follows a write of exactly `packet` bytes, the packet size
    /// of the endpoint. In blocking ports it is an `FnMut(&mut W) -> Result<(), E>`, in async ones
    /// an async closure.
    #[must_use]
    pub fn with_flush<H>(self, packet: usize, hook: H) -> Join<R, W, Flush<H>> {
        Join { rx: self.rx, tx: self.tx, flush: Flush { packet, hook, last: Last::Short } }
    }
}

impl<R, W, H> Join<R, W, H> {
    /// The two halves, for example to change their settings.
    pub const fn halves(&mut self) -> (&mut R, &mut W) {
        (&mut self.rx, &mut self.tx)
    }
}

impl<H> Flush<H> {
    fn written(&mut self, count: usize) {
        self.last = if count == self.packet { Last::Full } else { Last::Short };
    }

    fn is_owed(&mut self) -> bool {
        core::mem::replace(&mut self.last, Last::Short) == Last::Full
    }
}

impl<R: embedded_io::ErrorType, W: embedded_io::ErrorType<Error = R::Error>, H> embedded_io::ErrorType
    for Join<R, W, H>
{
    type Error = R::Error;
}

impl<R: embedded_io::Read, W: embedded_io::ErrorType<Error = R::Error>, H> embedded_io::Read for Join<R, W, H> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        self.rx.read(buf)
    }
}

impl<R: embedded_io::ReadReady, W: embedded_io::ErrorType<Error = R::Error>, H> embedded_io::ReadReady
    for Join<R, W, H>
{
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        self.rx.read_ready()
    }
}

impl<R, W> embedded_io::Write for Join<R, W>
where
    R: embedded_io::ErrorType,
    W: embedded_io::Write<Error = R::Error>,
{
    fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.tx.write(buf)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.tx.flush()
    }
}

impl<R, W, H> embedded_io::Write for Join<R, W, Flush<H>>
where
    R: embedded_io::ErrorType,
    W: embedded_io::Write<Error = R::Error>,
    H: FnMut(&mut W) -> Result<(), R::Error>,
{
    fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        let count = self.tx.write(buf)?;
        self.flush.written(count);
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        // Before the flush, which then waits for the packet of the hook too.
        if self.flush.is_owed() {
            (self.flush.hook)(&mut self.tx)?;
        }
        self.tx.flush()
    }
}

#[cfg(feature = "async")]
impl<R: embedded_io_async::Read, W: embedded_io::ErrorType<Error = R::Error>, H> embedded_io_async::Read
    for Join<R, W, H>
{
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        self.rx.read(buf).await
    }
}

#[cfg(feature = "async")]
impl<R, W> embedded_io_async::Write for Join<R, W>
where
    R: embedded_io::ErrorType,
    W: embedded_io_async::Write<Error = R::Error>,
{
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.tx.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.tx.flush().await
    }
}

#[cfg(feature = "async")]
impl<R, W, H> embedded_io_async::Write for Join<R, W, Flush<H>>
where
    R: embedded_io::ErrorType,
    W: embedded_io_async::Write<Error = R::Error>,
    H: AsyncFnMut(&mut W) -> Result<(), R::Error>,
{
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        let count = self.tx.write(buf).await?;
        self.flush.written(count);
        Ok(count)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        // Before the flush, which then waits for the packet of the hook too.
        if self.flush.is_owed() {
            (self.flush.hook)(&mut self.tx).await?;
        }
        self.tx.flush().await
    }
}
