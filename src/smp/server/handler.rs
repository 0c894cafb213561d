//! The application's side of a server.

use super::answer::{Answer, Incoming, Reply};

/// The application's side of a server.
///
/// Any `FnMut(&Incoming<'_>, Reply<'_>) -> Answer` is one.
pub trait Handler {
    /// Handles one request, and responds through `reply`.
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer;
}

impl<F: FnMut(&Incoming<'_>, Reply<'_>) -> Answer> Handler for F {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        self(incoming, reply)
    }
}

/// The application's side of a server whose commands may await.
pub trait AsyncHandler {
    /// Handles one request, and responds through `reply`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the request unanswered and not remembered: a repeat runs again.
    /// The implementation decides what happens to work that it has begun.
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> impl Future<Output = Answer>;
}
