"""How good the search is: tasks, recorded tables, contenders, live and replayed studies."""
