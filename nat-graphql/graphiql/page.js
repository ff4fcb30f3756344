// GraphiQL over the endpoint that it stands at. The key is written into its header editor and stays in this page:
// nothing is kept, so that a key does not outlive the visit.
(() => {
  const nowhere = { getItem: () => null, setItem: () => {}, removeItem: () => {}, clear: () => {}, length: 0 };
  const element = React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: '/graphql' }),
    storage: nowhere,
    shouldPersistHeaders: false,
    defaultHeaders: JSON.stringify({ 'X-API-Key': 'nat_pk_…' }, null, 2),
    defaultEditorToolsVisibility: 'headers',
    defaultQuery: '# Put your API key into the headers below.\n{\n  usage { plan scansUsed scansLimit quotaResetDate }\n}\n',
  });
  ReactDOM.createRoot(document.getElementById('graphiql')).render(element);
})();
