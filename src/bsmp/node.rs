//! A server on a bus, or several behind one port.

use super::{Address, Entities, Server};
use crate::line::{Peer, Serve, Service, asynch};
use crate::shown::shown;

/// A server on a bus: executes requests to it and to its groups, and answers only the former.
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
    /// A node at `address`, which is in no multicast group: only broadcasts reach it as well.
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

/// Several nodes behind one port, as in a crate of power supplies that share a controller.
///
/// ```
/// use anysmp::bsmp::node::Nodes;
/// use anysmp::bsmp::{Address, Entities, Node, Server, Table, variable::Variable};
///
/// struct Supply { current: u8 }
///
/// impl Entities for Supply {
///     fn read(&mut self, _: u8, value: &mut [u8]) {
///         value.fill(self.current);
///     }
/// }
///
/// const VARIABLES: [Variable; 1] = [Variable::read_only(1)];
/// let table = Table::new(&VARIABLES, &[], &[])?;
/// let mut supplies = [1, 2, 3, 4].map(|number| {
///     let server = Server::new(Supply { current: 10 * number }, &table);
///     Node::new(server, Address::node(number).unwrap()).unwrap()
/// });
/// let mut nodes = Nodes::new(&mut supplies);
/// let mut tx = [0; 16];
/// // In a loop, `link.serve(&mut nodes)` does this.
/// let len = nodes.receive(&[3, 0x10, 0, 1, 0], &mut tx);
/// assert_eq!(tx[..len], [0, 0x11, 0, 1, 30]);
/// # Ok::<(), anysmp::bsmp::TableError>(())
/// ```
pub struct Nodes<'n, 't, E> {
    nodes: &'n mut [Node<'t, E>],
}

shown!([E] Nodes<'_, '_, E>, |it| "Nodes({})", it.nodes.len());

impl<'n, 't, E: Entities> Nodes<'n, 't, E> {
    /// Combines these nodes. If two have the same address, the first one answers.
    #[must_use]
    pub const fn new(nodes: &'n mut [Node<'t, E>]) -> Self {
        Self { nodes }
    }

    /// The nodes.
    pub const fn nodes(&mut self) -> &mut [Node<'t, E>] {
        self.nodes
    }

    /// Handles one message, as [`Node::receive`]: the node to which it is addressed answers; a
    /// multicast is executed by each node of the group, a broadcast by all.
    #[must_use = "the answer is in `tx` and has to be sent"]
    pub fn receive(&mut self, message: &[u8], tx: &mut [u8]) -> usize {
        for node in self.nodes.iter_mut() {
            match node.receive(message, tx) {
                0 => {}
                len => return len,
            }
        }
        0
    }
}

impl<E: Entities> Serve for Nodes<'_, '_, E> {
    type After = ();
}

impl<E: Entities> Service for Nodes<'_, '_, E> {
    fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, ()) {
        (self.receive(message, tx), ())
    }
}

impl<E: Entities> asynch::Service for Nodes<'_, '_, E> {
    /// Handles one message, without awaiting anything.
    ///
    /// # Cancellation
    ///
    /// Never waits, so there is nothing to cancel.
    async fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, ()) {
        (self.receive(message, tx), ())
    }
}

impl<E: Entities> Service for Node<'_, E> {
    fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, ()) {
        (self.receive(message, tx), ())
    }
}

impl<E: Entities> asynch::Service for Node<'_, E> {
    /// Handles one message, without awaiting anything.
    ///
    /// # Cancellation
    ///
    /// Never waits, so there is nothing to cancel.
    async fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, ()) {
        (self.receive(message, tx), ())
    }
}
