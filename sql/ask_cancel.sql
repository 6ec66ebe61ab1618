-- Ask an execution, named by its id or its key: cancel.
SELECT resumer.cancel(resumer.find(%(key)s), reason => %(reason)s::text, actor => %(actor)s::text) AS request
