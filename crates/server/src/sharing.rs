//! What several handlers use together.

/// Gives a handler something that it shares with others, as its first argument: a store, a pool of connections. It is
/// cloned for each call, so put it behind an `Arc` or use what is behind one already.
///
/// ```
/// use std::sync::Arc;
///
/// use erlmcp_server::tools::{JobContext, NoArguments, Tool};
/// use erlmcp_server::{Registry, with};
///
/// async fn motto(house: Arc<String>, _: JobContext, _: NoArguments) -> String {
///     format!("The motto of the house: {house}")
/// }
///
/// let house = Arc::new("measure first".to_string());
/// let registry = Registry::new().tool(Tool::queued("motto", "Tells the motto.", with(&house, motto)))?;
/// # Ok::<(), erlmcp_server::tools::RegistryError>(())
/// ```
pub fn with<S, A, B, R, F>(shared: &S, handler: F) -> impl Fn(A, B) -> R + use<S, A, B, R, F>
where
    S: Clone,
    F: Fn(S, A, B) -> R,
{
    let shared = shared.clone();
    move |context, input| handler(shared.clone(), context, input)
}
