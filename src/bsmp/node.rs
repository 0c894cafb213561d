//! A server on a bus.

use super::{Address, Entities, Server};
use crate::line::{Peer, Serve, Service, asynch};
use crate::shown::shown;

/// A server on a bus: executes what is addressed to it or to its groups, answers only the former.
///
/// A damaged packet is never answered: its address may be damaged as well.
#[derive(Clone)]
pub struct Node<'t, E> {
    address: Address,
    /// The multicast groups: bit n is the group 248 + n.
    groups: u8,
    server: Server<'t, E>,
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Node<'_, ()>>() <= 92);

shown!([E] Node<'_, E>, |node| "Node({:?}, {:?})", node.address, node.server);

impl<'t, E: Entities> Node<'t, E> {
    /// A node with its own `address`, in no multicast group but that of the broadcast.
    ///
    /// `None` if the address is not that of a node.
    #[must_use]
    pub fn new(server: Server<'t, E>, address: Address) -> Option<Self> {
        address.is_node().then_some(Self { address, groups: 0, server })
    }

    /// Joins a multicast group; any other address is ignored.
    #[must_use]
    pub const fn with_group(mut self, group: Address) -> Self {
        if group.value() >= 248 {
            self.groups |= 1 << (group.value() & 7);
        }
        self
    }

    /// The server at this address.
    pub const fn server(&mut self) -> &mut Server<'t, E> {
        &mut self.server
    }

    /// Handles one message with an address in front of it; returns the length of the answer in
    /// `tx`, in bytes, which has the address of the master in front of it.
    ///
    /// Returns 0 if the message is for someone else, or for many.
    #[must_use = "the answer is in `tx` and has to be sent"]
    pub fn receive(&mut self, message: &[u8], tx: &mut [u8]) -> usize {
        match message.split_first() {
            Some((to, message)) if *to == self.address.value() => {
                let Some((first, tx)) = tx.split_first_mut() else { return 0 };
                *first = Address::MASTER.value();
                match self.server.receive(message, tx) {
                    0 => 0,
                    len => len.wrapping_add(1),
                }
            }
            // Many nodes execute this one: if each answered, the answers would collide.
            Some((to, message)) if *to == 255 || (*to >= 248 && self.groups & (1 << (to & 7)) != 0) => {
                let _ = self.server.receive(message, tx);
                0
            }
            _ => 0,
        }
    }
}

impl<E: Entities> Serve for Node<'_, E> {
    type After = ();
}

impl<E: Entities> Service for Node<'_, E> {
    fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, ()) {
        (self.receive(message, tx), ())
    }
}

impl<E: Entities> asynch::Service for Node<'_, E> {
    /// # Cancellation
    ///
    /// Never waits, so there is nothing to cancel.
    async fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, ()) {
        (self.receive(message, tx), ())
    }
}
