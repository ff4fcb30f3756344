//! stub
/// stub
pub fn router() -> axum::Router {
    axum::Router::new()
}
