-- Ask an execution, named by its id or its key: pause.
SELECT resumer.pause(resumer.find(%(key)s), reason => %(reason)s::text, actor => %(actor)s::text) AS request
