//! What happens on a panic: one in the loop gives the terminal back before it is told; one in a computation is a
//! message on the screen and disturbs nothing else.

use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::Arc;
use std::thread;

use super::terminal;

type Earlier = Arc<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// Our hook, until it is dropped.
pub(super) struct Hook {
    earlier: Earlier,
}

impl Hook {
    /// Puts it before the hook that is there. The thread that calls this is the one of the loop.
    pub(super) fn install() -> Self {
        let earlier: Earlier = Arc::from(take_hook());
        let (told, owner) = (Arc::clone(&earlier), thread::current().id());
        set_hook(Box::new(move |info| {
            if thread::current().id() == owner {
                terminal::restore();
                told(info);
            }
        }));
        Self { earlier }
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        // A hook cannot be changed while a panic goes through, and need not be: the program ends.
        if !thread::panicking() {
            let earlier = Arc::clone(&self.earlier);
            set_hook(Box::new(move |info| earlier(info)));
        }
    }
}

/// What a task died of.
pub(super) fn text(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "for a reason that it does not tell".to_owned()),
        Err(_cancelled) => "it was stopped".to_owned(),
    }
}
