-- Hold a workflow, or everything, for so many seconds or until the release.
SELECT resumer.hold(%(workflow)s, %(reason)s::text, %(actor)s::text, make_interval(secs => %(seconds)s::float8)) AS request
