"""What `ray.util.iter` is made of. From below: `not_ready` and `in_use`, the `steps` on items, `joining` of local
iterators, `local`, `gathering` from actors, `worker`, `parallel`, `sources`. Users import `localray.util.iter`."""
