//! A server on a bus.

use super::{Address, Entities, Server};
use crate::line::{AsyncService, Peer, Service};
use crate::shown::shown;

/// A server on a bus: executes what is addressed to it or to its groups, answers only the former.
///
/// A damaged packet is never answered: its address may be damaged as well.
#[derive(Clone)]
pub struct Node<'t, E> {
    address: Address,
    joined: u8,
    /// The server behind the address.
    pub server: Server<'t, E>,
}

shown!([E] Node<'_, E>, |node| "Node({:?}, {:?})", node.address, node.server);

impl<'t, E: Entities> Node<'t, E> {
    /// A node with its own `address`, in no multicast group but that of the broadcast.
    ///
    /// `None` if the address is not that of a node.
    #[must_use]
    pub fn new(server: Server<'t, E>, address: Address) -> Option<Self> {
        address.is_node().then_some(Self { address, joined: 0, server })
    }

    /// Joins a multicast group; any other address is ignored.
    #[must_use]
    pub const fn join(mut self, group: Address) -> Self {
        if group.value() >= 248 {
            self.joined |= 1 << (group.value() & 7);
        }
        self
    }

    /// Handles one message behind an address; returns the length of the answer, behind the address of the master, in `tx`.
    /// 0, if the message is for someone else, or for many.
    pub fn serve(&mut self, message: &[u8], tx: &mut [u8]) -> usize {
        match message.split_first() {
            Some((to, message)) if *to == self.address.value() => {
                let Some((first, tx)) = tx.split_first_mut() else { return 0 };
                *first = Address::MASTER.value();
                match self.server.serve(message, tx) {
                    0 => 0,
                    length => length.wrapping_add(1),
                }
            }
            Some((to, message)) if *to == 255 || (*to >= 248 && self.joined & (1 << (to & 7)) != 0) => {
                self.server.serve(message, tx);
                0
            }
            _ => 0,
        }
    }
}

impl<E: Entities> Service for Node<'_, E> {
    type After = ();

    fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, ()) {
        (self.serve(message, tx), ())
    }
}

impl<E: Entities> AsyncService for Node<'_, E> {
    type After = ();

    async fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, ()) {
        (self.serve(message, tx), ())
    }
}
