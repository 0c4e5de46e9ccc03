use std::{
    future::poll_fn,
    ops::ControlFlow,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    Backend,
    api::Api,
    closing::Ending,
    connection::Connection,
    disconnect,
    gateway::{Gateway, Listener},
    invoke,
    socket::{Socket, Stop},
};

/// The life of one connection after its handshake: one task that reads, routes and writes, and never waits for a function.
pub(crate) struct Session<B> {
    pub(crate) gateway: Arc<Gateway<B>>,
    pub(crate) listener: Arc<Listener>,
    pub(crate) api: Arc<Api>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) socket: Socket,
}

impl<B: Backend> Session<B> {
    /// Runs until the socket is gone and `$disconnect` has been told. Boxed, since a future keeps the place of an argument that
    /// it has moved, and there is one of these per connection.
    pub(crate) async fn run(mut self: Box<Self>) {
        let ending = poll_fn(|cx| self.poll(cx)).await;
        // Apart from this task's own state, which has to be small for the long time before.
        Box::pin(self.end(ending)).await;
    }

    /// Ends a connection whose client went away before it learnt that it was let in: `$connect` has run, so `$disconnect` does.
    pub(crate) async fn abandon(self: Box<Self>) {
        self.end(Ending::Lost).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        // Before anything is looked at, so that no change is missed.
        self.connection.outbox.register(cx.waker());
        loop {
            if let Some(cause) = self.connection.outbox.close_cause() {
                return Poll::Ready(cause.into());
            }
            if self.connection.outbox.is_frozen() {
                return Poll::Pending;
            }
            let mut held_back = self.must_hold_back();
            if !held_back {
                match self.poll_read(cx) {
                    Poll::Ready(Stop::End(ending)) => return Poll::Ready(ending),
                    Poll::Ready(Stop::HeldBack) => held_back = true,
                    Poll::Pending => {}
                }
            }
            match self.socket.poll_write(cx, &self.connection.outbox) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Ending::Lost),
                Poll::Ready(Ok(())) => {}
            }
            // Writing may have made room to read on; the end of an invocation wakes this task by itself.
            if !held_back || self.must_hold_back() {
                return Poll::Pending;
            }
        }
    }

    /// Starts what the client's messages ask for, until it has no more to say or as much on the way as it may.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        let Session { gateway, listener, api, connection, socket } = self;
        socket.poll_read(cx, &connection.outbox, |text| {
            gateway.counters.messages_in.increment();
            invoke::start_message(gateway, listener, api, connection, text);
            if must_hold_back(gateway, connection) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    /// Whether the client has as much on the way as it may: then nothing more is read from it, and its own network
    /// tells it to wait.
    fn must_hold_back(&self) -> bool {
        must_hold_back(&self.gateway, &self.connection)
    }

    /// Takes the connection out of reach, closes it, and only then tells `$disconnect` (X1).
    async fn end(self, ending: Ending) {
        let Session { gateway, listener, api, connection, socket } = self;
        api.registry.remove(&connection.key);
        connection.outbox.end();
        socket.close(&connection.outbox, &ending).await;
        connection.outbox.discard();
        gateway.counters.connections_now.decrement();
        tracing::debug!(connection_id = connection.id(), code = ending.code(), "disconnected");
        let told = disconnect::tell(&gateway, &api, &connection, &ending);
        listener.kill.run_until_cancelled(told).await;
    }
}

fn must_hold_back<B>(gateway: &Gateway<B>, connection: &Connection) -> bool {
    let limits = &gateway.config.limits;
    connection.in_flight() >= limits.invocations_per_connection_max
        || connection.outbox.is_full(limits.outbox_bytes_max)
}
