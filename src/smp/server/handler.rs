//! The application's side of a server.

use super::incoming::Incoming;
use super::reply::{Answer, Reply};

/// The application's side of a server.
///
/// Any `FnMut(&Incoming<'_>, Reply<'_>) -> Answer` is one.
pub trait Handler {
    /// Answers one request.
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer;
}

impl<F: FnMut(&Incoming<'_>, Reply<'_>) -> Answer> Handler for F {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        self(incoming, reply)
    }
}

/// The application's side of a server whose commands may await.
pub trait AsyncHandler {
    /// Answers one request.
    ///
    /// # Cancellation
    ///
    /// A dropped call leaves the request unanswered, and nothing is remembered of it: a repeat runs
    /// again. What the handler had begun is its own business.
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> impl Future<Output = Answer>;
}
